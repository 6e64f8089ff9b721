//! Input that means harm, sent byte by byte as it is: client libraries would tidy it up, and the test would prove nothing.

mod bodies;
mod framing;
mod greedy;
mod paths;
mod slow;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::DEADLINE;
use crate::support::world::World;

/// A connection to the gateway.
async fn connect(world: &World) -> TcpStream {
    let address = world.gateway().url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Sends this, and reads until the gateway ends the connection. It may end it before it has read everything.
async fn exchange(world: &World, request: impl AsRef<[u8]>) -> String {
    let (mut reader, mut writer) = connect(world).await.into_split();
    let request = request.as_ref().to_owned();
    let sending = tokio::spawn(async move {
        let _ = writer.write_all(&request).await;
        writer
    });
    let text = rest(&mut reader).await;
    drop(sending.await.unwrap());
    text
}

/// Everything until the end, which has to come.
async fn rest(reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // What a reset takes away was not meant for anybody.
    let _ = tokio::time::timeout(DEADLINE, reader.read_to_end(&mut bytes))
        .await
        .expect("the gateway ends the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The statuses of all answers on a connection.
fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer[..3].parse().unwrap())
        .collect()
}

/// The gateway is as well as ever.
async fn assert_well(world: &World) {
    assert_eq!(world.stranger().get("/healthz").await.status, 200);
}
