//! What holds over every store.

use std::time::Duration;

use codex_tasklog::{Archive as _, Artifact, DirArchive, LogError, ObjectStore as _};

use crate::support::{Backend, Fault, TASK, assert_same, collect, log};

/// Runs a test over a folder and over S3.
macro_rules! over_each_store {
    ($($name:ident),* $(,)?) => {
        mod folder {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Backend::folder()).await;
                }
            )*
        }
        #[cfg(feature = "s3")]
        mod s3 {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Backend::s3().await).await;
                }
            )*
        }
    };
}

over_each_store!(
    logs_are_written_in_chunks_and_read_from_any_number,
    empty_logs_are_complete,
    what_is_missing_is_not_there,
    a_writer_goes_on_where_another_stopped,
    two_writers_with_other_chunks_make_one_log,
    a_complete_log_stands,
    damaged_objects_are_noticed_and_written_again,
    lost_answers_and_half_objects_are_repaired,
    small_chunks_are_uploaded_when_they_are_due,
    a_log_without_end_is_replaced_by_a_longer_one,
    sizes_are_told_without_reading,
);

async fn logs_are_written_in_chunks_and_read_from_any_number(backend: Backend) {
    let archive = backend.store.archive(2_000);
    let frames = log(100);
    let mut writer = archive.writer(TASK).await.unwrap();
    for batch in frames.chunks(7) {
        writer.append(batch).await.unwrap();
        assert!(archive.manifest(TASK).await.unwrap().is_none());
        let uploaded = writer.uploaded() as usize;
        let reach = archive.uploaded(TASK).await.unwrap() as usize;
        assert_eq!(uploaded, reach);
        if uploaded > 0 {
            let part = archive.read_uploaded(TASK, 0).await.unwrap().unwrap();
            assert_same(&collect(part).await.unwrap(), &frames[..uploaded]);
        }
    }
    let manifest = writer.finish().await.unwrap();
    assert_eq!(archive.manifest(TASK).await.unwrap().unwrap(), manifest);
    assert!(manifest.chunks.len() > 5, "{manifest:?}");
    assert_eq!(manifest.last, frames.len() as u64);
    assert_eq!(manifest.end.as_ref().unwrap().sha256, manifest.sha256);

    for after in [0, 1, 13, frames.len() - 1, frames.len(), frames.len() + 5] {
        backend.store.take_gets();
        let rest = archive.read(TASK, after as u64).await.unwrap().unwrap();
        let rest = collect(rest).await.unwrap();
        assert_same(&rest, frames.get(after..).unwrap_or_default());
        let needed = manifest
            .chunks
            .iter()
            .filter(|chunk| chunk.last > after as u64);
        assert_eq!(backend.store.take_gets(), 1 + needed.count());
    }
}

async fn empty_logs_are_complete(backend: Backend) {
    let archive = backend.store.archive(1_000);
    let location = archive.put(TASK, &[]).await.unwrap();
    assert!(location.ends_with("/manifest.json"), "{location}");
    let all = archive.read(TASK, 0).await.unwrap().unwrap();
    assert!(collect(all).await.unwrap().is_empty());
}

async fn what_is_missing_is_not_there(backend: Backend) {
    let archive = backend.store.archive(1_000);
    assert!(archive.read(TASK, 0).await.unwrap().is_none());
    assert!(archive.read_uploaded(TASK, 0).await.unwrap().is_none());
    assert_eq!(archive.uploaded(TASK).await.unwrap(), 0);
    let frames = log(20);
    let mut writer = archive.writer(TASK).await.unwrap();
    let hole = writer.append(&frames[3..]).await.unwrap_err();
    assert!(matches!(hole, LogError::Hole { last: 0, found: 4 }));
    writer.append(&frames[..10]).await.unwrap();
    writer.flush().await.unwrap();
    assert!(archive.read_uploaded(TASK, 9).await.unwrap().is_some());
    assert!(archive.read_uploaded(TASK, 10).await.unwrap().is_none());
    assert!(archive.read(TASK, 0).await.unwrap().is_none());
}

async fn sizes_are_told_without_reading(backend: Backend) {
    let key = Artifact::Session.key(TASK).unwrap();
    assert_eq!(backend.store.size(&key).await.unwrap(), None);
    let session = bytes::Bytes::from_static(b"a session");
    backend.store.replace(&key, session).await.unwrap();
    assert_eq!(backend.store.size(&key).await.unwrap(), Some(9));
    assert_eq!(backend.store.take_gets(), 0);
}

async fn a_writer_goes_on_where_another_stopped(backend: Backend) {
    let frames = log(60);
    let mut first = backend.store.archive(1_500).writer(TASK).await.unwrap();
    first.append(&frames[..50]).await.unwrap();
    let safe = first.uploaded();
    assert!(safe > 0 && first.last() == 50);
    drop(first);
    // The next process has another idea of how large chunks are.
    let archive = backend.store.archive(700);
    let mut second = archive.writer(TASK).await.unwrap();
    assert_eq!((second.last(), second.uploaded()), (safe, safe));
    second.append(&frames).await.unwrap();
    let manifest = second.finish().await.unwrap();
    assert_eq!(manifest.end.unwrap().sha256, manifest.sha256);
    // And one that comes when all is done finds that out.
    let mut third = archive.writer(TASK).await.unwrap();
    assert!(third.has_ended());
    third.append(&frames).await.unwrap();
    third.finish().await.unwrap();
    let all = archive.read(TASK, 0).await.unwrap().unwrap();
    assert_same(&collect(all).await.unwrap(), &frames);
}

async fn two_writers_with_other_chunks_make_one_log(backend: Backend) {
    let frames = log(80);
    let mut a = backend.store.archive(900).writer(TASK).await.unwrap();
    let mut b = backend.store.archive(1_300).writer(TASK).await.unwrap();
    let (left, right) = tokio::join!(
        async {
            for batch in frames.chunks(3) {
                a.append(batch).await.unwrap();
            }
            a.finish().await.unwrap()
        },
        async {
            for batch in frames.chunks(11) {
                b.append(batch).await.unwrap();
            }
            b.finish().await.unwrap()
        },
    );
    assert_eq!(left, right);
    let archive = backend.store.archive(1_000);
    for after in [0, 40] {
        let rest = archive.read(TASK, after as u64).await.unwrap().unwrap();
        assert_same(&collect(rest).await.unwrap(), &frames[after..]);
        // What both have uploaded reads as one log too.
        let rest = archive.read_uploaded(TASK, after as u64).await.unwrap();
        assert_same(&collect(rest.unwrap()).await.unwrap(), &frames[after..]);
    }
}

async fn a_complete_log_stands(backend: Backend) {
    let archive = backend.store.archive(1_000);
    let frames = log(30);
    archive.put(TASK, &frames).await.unwrap();
    let before = archive.manifest(TASK).await.unwrap().unwrap();
    // An operator that saw less of it ends it in its own way.
    archive.put(TASK, &frames).await.unwrap();
    archive.put(TASK, &frames[..10]).await.unwrap();
    archive.put(TASK, &[]).await.unwrap();
    assert_eq!(archive.manifest(TASK).await.unwrap().unwrap(), before);
}

async fn a_log_without_end_is_replaced_by_a_longer_one(backend: Backend) {
    let archive = backend.store.archive(1_000);
    let frames = log(30);
    archive.put(TASK, &frames[..20]).await.unwrap();
    archive.put(TASK, &frames).await.unwrap();
    let all = archive.read(TASK, 0).await.unwrap().unwrap();
    assert_same(&collect(all).await.unwrap(), &frames);
}

async fn damaged_objects_are_noticed_and_written_again(backend: Backend) {
    use codex_tasklog::ObjectStore as _;
    let archive = backend.store.archive(1_000);
    let frames = log(40);
    archive.put(TASK, &frames).await.unwrap();
    let manifest = archive.manifest(TASK).await.unwrap().unwrap();
    let middle = &manifest.chunks[2];
    let key = format!(
        "tasks/{TASK}/chunks/{:020}-{:020}.ndjson.zst",
        middle.first, middle.last
    );
    let whole = backend.store.get(&key).await.unwrap().unwrap();
    for damage in [
        whole.slice(..whole.len() - 3),
        bytes::Bytes::from_static(b"not zstd"),
    ] {
        backend.store.replace(&key, damage).await.unwrap();
        let all = archive.read(TASK, 0).await.unwrap().unwrap();
        assert!(matches!(collect(all).await, Err(LogError::Damaged(_))));
        // What comes after it can still be read.
        let rest = archive.read(TASK, middle.last).await.unwrap().unwrap();
        assert_same(
            &collect(rest).await.unwrap(),
            &frames[middle.last as usize..],
        );
        archive.put(TASK, &frames).await.unwrap();
        let all = archive.read(TASK, 0).await.unwrap().unwrap();
        assert_same(&collect(all).await.unwrap(), &frames);
    }
    let text = format!("tasks/{TASK}/manifest.json");
    backend
        .store
        .replace(&text, bytes::Bytes::from_static(b"{"))
        .await
        .unwrap();
    assert!(matches!(
        archive.read(TASK, 0).await,
        Err(LogError::Damaged(_))
    ));
    archive.put(TASK, &frames).await.unwrap();
    // One from a later release is left alone.
    let newer = bytes::Bytes::from(
        String::from_utf8(backend.store.get(&text).await.unwrap().unwrap().to_vec())
            .unwrap()
            .replace("\"version\": 1", "\"version\": 2"),
    );
    backend.store.replace(&text, newer.clone()).await.unwrap();
    assert!(matches!(
        archive.put(TASK, &frames).await,
        Err(LogError::Unavailable(_))
    ));
    assert_eq!(backend.store.get(&text).await.unwrap(), Some(newer));
}

async fn lost_answers_and_half_objects_are_repaired(backend: Backend) {
    let archive = backend.store.archive(1_000_000);
    let frames = log(40);
    let mut writer = archive.writer(TASK).await.unwrap();
    for (part, fault) in [
        (10, Fault::Refuse),
        (20, Fault::LoseAnswer),
        (30, Fault::Half),
    ] {
        writer.append(&frames[..part]).await.unwrap();
        backend.store.fail(&[fault]);
        assert!(writer.flush().await.is_err(), "{fault:?}");
        assert!(writer.uploaded() < part as u64);
        writer.flush().await.unwrap();
        assert_eq!(writer.uploaded(), part as u64);
    }
    writer.append(&frames).await.unwrap();
    writer.flush().await.unwrap();
    for fault in [Fault::Refuse, Fault::Half, Fault::LoseAnswer] {
        backend.store.fail(&[fault]);
        assert!(writer.finish().await.is_err(), "{fault:?}");
    }
    writer.finish().await.unwrap();
    let all = archive.read(TASK, 0).await.unwrap().unwrap();
    assert_same(&collect(all).await.unwrap(), &frames);
}

async fn small_chunks_are_uploaded_when_they_are_due(backend: Backend) {
    let archive = backend.store.archive(1_000_000);
    let mut writer = archive.writer(TASK).await.unwrap();
    assert_eq!(writer.due(), None);
    let before = tokio::time::Instant::now();
    writer.append(&log(3)).await.unwrap();
    let due = writer.due().unwrap();
    assert!(due >= before + Duration::from_secs(10));
    writer.append(&log(3)).await.unwrap();
    assert_eq!(writer.due(), Some(due), "waiting does not begin anew");
    writer.flush().await.unwrap();
    assert_eq!(writer.due(), None);
    assert_eq!(writer.uploaded(), log(3).len() as u64);
}

#[tokio::test]
async fn a_folder_holds_plain_files_and_no_remains() {
    let backend = Backend::folder();
    let archive = DirArchive::new(backend.dir.path());
    let location = archive.put(TASK, &log(5)).await.unwrap();
    let manifest = location.strip_prefix("file://").unwrap();
    assert!(std::path::Path::new(manifest).is_file());
    let chunks = backend.dir.path().join("tasks").join(TASK).join("chunks");
    let names: Vec<_> = std::fs::read_dir(chunks)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        names,
        [format!("{:020}-{:020}.ndjson.zst", 1, log(5).len())]
    );
}

#[cfg(feature = "s3")]
mod s3_alone {
    use std::time::{Duration, Instant};

    use codex_tasklog::{Archive as _, ChunkArchive, LogError};

    use crate::support::{TASK, assert_same, collect, log, s3};

    fn problem(error: &LogError) -> String {
        assert!(matches!(error, LogError::Unavailable(_)), "{error:?}");
        error.to_string()
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let server = s3::Server::start(dir.path(), 0).await;
        let missing = s3::store(&s3::config(server.address, "nowhere"), s3::SECRET);
        let error = ChunkArchive::over(missing).put(TASK, &log(3)).await;
        let text = problem(&error.unwrap_err());
        assert!(text.contains("bucket nowhere does not exist"), "{text}");
        let wrong = s3::store(&s3::config(server.address, "logs"), "another secret");
        let error = ChunkArchive::over(wrong).put(TASK, &log(3)).await;
        let text = problem(&error.unwrap_err());
        assert!(text.contains("SignatureDoesNotMatch"), "{text}");
        assert!(!text.contains("another secret"));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up_and_one_that_comes_back_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let mut config = s3::config(address, "logs");
        config.attempt = Duration::from_millis(300);
        let archive = ChunkArchive::over(s3::store(&config, s3::SECRET));
        let began = Instant::now();
        problem(&archive.put(TASK, &log(30)).await.unwrap_err());
        assert!(began.elapsed() < Duration::from_secs(20));
        drop(silent);
        problem(&archive.put(TASK, &log(30)).await.unwrap_err());

        // The same archive goes on when the server is there, and again when it has been restarted.
        let archive = {
            let patient = s3::config(address, "logs");
            ChunkArchive::over(s3::store(&patient, s3::SECRET))
        };
        let server = s3::Server::start(dir.path(), address.port()).await;
        let frames = log(30);
        let mut writer = archive.writer(TASK).await.unwrap();
        writer.append(&frames[..20]).await.unwrap();
        writer.flush().await.unwrap();
        drop(server);
        writer.append(&frames).await.unwrap();
        problem(&writer.finish().await.unwrap_err());
        let _server = s3::Server::start(dir.path(), address.port()).await;
        writer.finish().await.unwrap();
        let all = archive.read(TASK, 0).await.unwrap().unwrap();
        assert_same(&collect(all).await.unwrap(), &frames);
    }

    #[tokio::test]
    async fn prefixes_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let server = s3::Server::start(dir.path(), 0).await;
        let open =
            |place| ChunkArchive::over(s3::store(&s3::config(server.address, place), s3::SECRET));
        let location = open("logs/a").put(TASK, &log(3)).await.unwrap();
        assert_eq!(location, format!("s3://logs/a/tasks/{TASK}/manifest.json"));
        assert!(open("logs/a").read(TASK, 0).await.unwrap().is_some());
        assert!(open("logs").read(TASK, 0).await.unwrap().is_none());
        assert_eq!(open("logs/b").uploaded(TASK).await.unwrap(), 0);
    }
}
