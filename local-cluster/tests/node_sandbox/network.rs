//! The services that a container reaches, and that it reaches nothing else.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use codex_local_cluster::node::config::ServiceConfig;
use codex_local_cluster::node::plan::objects::Objects;
use serde_json::json;

use crate::node_support::{Bench, config, exited, pod};

#[tokio::test]
async fn services_are_reached_and_nothing_else() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_port = other.local_addr().unwrap().port();
    let service = ServiceConfig {
        listen: "127.0.0.1:8787".parse().unwrap(),
        target: target.local_addr().unwrap(),
    };
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = target.accept().unwrap();
        let mut word = [0_u8; 5];
        stream.read_exact(&mut word).unwrap();
        stream
            .write_all(&word.map(|byte| byte.to_ascii_uppercase()))
            .unwrap();
    });
    let bench = Bench::new(codex_local_cluster::node::NodeConfig {
        services: vec![service],
        ..config()
    });
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/8787; printf hello >&3; head -c 5 <&3; echo
         for address in 127.0.0.1/{other_port} ::1/{other_port} 1.1.1.1/53 169.254.169.254/80; do
           timeout 2 bash -c \"exec 3<>/dev/tcp/$address\" 2>/dev/null && echo \"BAD: reaches $address\"
         done
         getent hosts example.com && echo 'BAD: resolves names'
         echo finished"
    );
    let (_, output) = bench
        .run(&pod(&script, json!({})), &Objects::default())
        .await;
    assert_eq!(output, "HELLO\nfinished\n");
    answers.join().unwrap();
    // The check is worth something only if the port is open to the host.
    assert!(TcpStream::connect(("127.0.0.1", other_port)).is_ok());
}

#[tokio::test]
async fn a_service_that_is_away_is_an_error_and_comes_back() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let service = ServiceConfig {
        listen: "127.0.0.1:8787".parse().unwrap(),
        target: port,
    };
    let bench = Bench::new(codex_local_cluster::node::NodeConfig {
        services: vec![service],
        ..config()
    });
    let script = "until exec 3<>/dev/tcp/127.0.0.1/8787 && read -t 5 line <&3 && echo \"$line\"; do echo again; sleep 0.05; done";
    let pod = pod(script, json!({}));
    let mut run = bench.start_first(&pod, &Objects::default()).await;
    run.wait_for_output("again").await;
    let listener = TcpListener::bind(port).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"here\n").unwrap();
    assert_eq!(run.exit().await.outcome, exited(0));
    run.wait_for_output("here").await;
}
