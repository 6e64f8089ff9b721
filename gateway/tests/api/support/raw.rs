//! A client on a bare socket, which reads as fast or as slowly as a test wants.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::DEADLINE;

/// The body of an answer, as it comes. HTTP 1.0 has no chunks, and the end of the connection is the end of the body.
pub struct Raw {
    pub socket: TcpStream,
    /// What has been read of the body.
    pub body: Vec<u8>,
}

impl Raw {
    /// Sends a request, and reads the head of the answer; `receive` is the size of the buffer for what is not read yet.
    pub async fn get(address: &str, path: &str, token: &str, receive: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(size) = receive {
            socket.set_recv_buffer_size(size).unwrap();
        }
        let mut socket = socket.connect(address.parse().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Self {
            socket,
            body: Vec::new(),
        };
        let head = raw.until(b"\r\n\r\n").await;
        assert!(
            head.starts_with(b"HTTP/1.1 200 ") || head.starts_with(b"HTTP/1.0 200 "),
            "{}",
            String::from_utf8_lossy(&head)
        );
        raw
    }

    /// Everything up to the first of these bytes, including them; what follows stays in the body.
    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self
                .body
                .windows(end.len())
                .position(|window| window == end);
            if let Some(at) = found {
                let rest = self.body.split_off(at + end.len());
                return std::mem::replace(&mut self.body, rest);
            }
            let read = tokio::time::timeout(DEADLINE, self.socket.read_buf(&mut self.body));
            let count = read.await.expect("more in time").unwrap();
            assert!(
                count > 0,
                "it ends: {}",
                String::from_utf8_lossy(&self.body)
            );
        }
    }
}
