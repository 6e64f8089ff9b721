use super::*;
use crate::node::sandbox::plan::LogPlan;
use crate::node::shim::log_writer::{LogWriter, Stream};
use crate::node::shim::state::{Exit, Outcome};

fn folder() -> (tempfile::TempDir, ContainerDir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = ContainerDir::new(folder.path());
    (folder, dir)
}

fn writer(dir: &ContainerDir, max_bytes: u64) -> LogWriter {
    LogWriter::open(LogPlan {
        path: dir.log(),
        max_bytes,
        max_files: 100,
    })
    .unwrap()
}

async fn read(dir: &ContainerDir, options: Options) -> String {
    let mut reader = Reader::open(dir.clone(), options).unwrap();
    let mut text = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn options_select_what_is_read() {
    let (_folder, dir) = folder();
    let mut log = writer(&dir, 1 << 20);
    log.write(Stream::Stdout, b"one\ntwo\n").unwrap();
    log.write(Stream::Stderr, b"three\n").unwrap();
    log.write(Stream::Stdout, b"open").unwrap();
    log.finish().unwrap();
    assert_eq!(
        read(&dir, Options::default()).await,
        "one\ntwo\nthree\nopen"
    );
    assert_eq!(
        read(
            &dir,
            Options {
                tail_lines: Some(2),
                ..Options::default()
            }
        )
        .await,
        "three\nopen"
    );
    assert_eq!(
        read(
            &dir,
            Options {
                tail_lines: Some(0),
                ..Options::default()
            }
        )
        .await,
        ""
    );
    assert_eq!(
        read(
            &dir,
            Options {
                limit_bytes: Some(6),
                ..Options::default()
            }
        )
        .await,
        "one\ntw"
    );
    let future = Timestamp::now() + Duration::from_secs(60);
    assert_eq!(
        read(
            &dir,
            Options {
                since: Some(future),
                ..Options::default()
            }
        )
        .await,
        ""
    );
    let timed = read(
        &dir,
        Options {
            timestamps: true,
            tail_lines: Some(1),
            ..Options::default()
        },
    )
    .await;
    assert!(timed.ends_with("Z open"), "{timed}");
}

#[tokio::test]
async fn a_line_that_was_split_is_one_again() {
    let (_folder, dir) = folder();
    let line = "x".repeat(50_000);
    writer(&dir, 1 << 20)
        .write(Stream::Stdout, format!("{line}\n").as_bytes())
        .unwrap();
    assert_eq!(read(&dir, Options::default()).await, format!("{line}\n"));
    let timed = read(
        &dir,
        Options {
            timestamps: true,
            ..Options::default()
        },
    )
    .await;
    assert_eq!(
        timed.len(),
        "2026-01-02T03:04:05.123456789Z ".len() + 50_001
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_every_line_across_rotations_and_ends_with_the_container() {
    const LINES: u32 = 20_000;
    let (_folder, dir) = folder();
    let mut log = writer(&dir, 50_000);
    log.write(Stream::Stdout, b"0\n").unwrap();
    let follower = dir.clone();
    let reading = tokio::spawn(async move {
        read(
            &follower,
            Options {
                follow: true,
                ..Options::default()
            },
        )
        .await
    });
    let writing = dir.clone();
    tokio::task::spawn_blocking(move || {
        for number in 1..LINES {
            log.write(Stream::Stdout, format!("{number}\n").as_bytes())
                .unwrap();
        }
        log.finish().unwrap();
        let outcome = Outcome::Exited {
            code: 0,
            out_of_memory: false,
        };
        writing
            .write_exit(&Exit {
                at: Timestamp::now(),
                outcome,
            })
            .unwrap();
    })
    .await
    .unwrap();
    let text = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap()
        .unwrap();
    let expected: String = (0..LINES).map(|number| format!("{number}\n")).collect();
    assert!(
        text == expected,
        "{} lines of {LINES}",
        text.lines().count()
    );
    assert!(rotated_files(&dir.log()).len() > 5);
}
