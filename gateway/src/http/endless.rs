//! Answers that stay open: the streams of events.
//!
//! A connection of hyper keeps its buffers, 8 KiB to read into among them, for as long as it lives. Thousands of streams wait at the same
//! time for something to happen, so they leave hyper as soon as their answer begins: from there on a connection is a socket, a body, and what is
//! being written. Nothing is ever read ahead or written ahead, so a client that does not read costs no more than that either.

use std::fmt::Write as _;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use hyper::body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// An answer that goes on until its body ends, and has the connection for itself.
pub struct Endless {
    head: Bytes,
    body: Body,
    framing: Framing,
}

/// How the client sees where the body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Chunks of HTTP/1.1, the last of which is empty.
    Chunked,
    /// The end of the connection, as HTTP/1.0 has it.
    UntilClose,
}

/// What happens next on a stream.
enum Next {
    Data(Bytes),
    Over,
    Left,
}

impl Endless {
    /// Takes the answer to a request if it is a stream of events.
    ///
    /// # Errors
    /// Gives every other answer back.
    pub fn take(
        method: &Method,
        version: Version,
        response: Response,
    ) -> Result<Self, Box<Response>> {
        let is_stream = *method == Method::GET
            && response.status() == StatusCode::OK
            && response.headers().get(header::CONTENT_TYPE)
                == Some(&HeaderValue::from_static("text/event-stream"));
        if !is_stream {
            return Err(Box::new(response));
        }
        let framing = match version {
            Version::HTTP_10 | Version::HTTP_09 => Framing::UntilClose,
            _ => Framing::Chunked,
        };
        Ok(Self {
            head: head(&response, framing),
            body: response.into_body(),
            framing,
        })
    }

    /// Writes the answer until its body ends or the client leaves.
    ///
    /// # Errors
    /// Those of the socket, and those of the body; the client then sees that the end is missing.
    pub async fn deliver<S>(self, mut socket: S) -> Result<(), axum::BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self {
            head,
            mut body,
            framing,
        } = self;
        write(&mut socket, head, Framing::UntilClose).await?;
        let mut is_listening = true;
        loop {
            let next = std::future::poll_fn(|context| {
                next(&mut body, &mut socket, &mut is_listening, context)
            })
            .await?;
            match next {
                Next::Data(data) => write(&mut socket, data, framing).await?,
                Next::Over => break,
                Next::Left => return Ok(()),
            }
        }
        if framing == Framing::Chunked {
            socket.write_all(b"0\r\n\r\n").await?;
        }
        Ok(socket.shutdown().await?)
    }
}

/// What the body has, or else whether the client has left.
fn next<S: AsyncRead + Unpin>(
    body: &mut Body,
    socket: &mut S,
    is_listening: &mut bool,
    context: &mut Context<'_>,
) -> Poll<Result<Next, axum::BoxError>> {
    while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
        let Some(frame) = frame else {
            return Poll::Ready(Ok(Next::Over));
        };
        // Trailers have no place here, and an empty chunk would be the last one.
        if let Ok(data) = frame?.into_data()
            && !data.is_empty()
        {
            return Poll::Ready(Ok(Next::Data(data)));
        }
    }
    if !*is_listening {
        return Poll::Pending;
    }
    let mut scratch = [0; 64];
    let mut buffer = ReadBuf::new(&mut scratch);
    ready!(Pin::new(socket).poll_read(context, &mut buffer))?;
    if buffer.filled().is_empty() {
        return Poll::Ready(Ok(Next::Left));
    }
    // Another request on this connection will not be answered: the header said so. From now on the heartbeats show whether it lives.
    *is_listening = false;
    Poll::Pending
}

/// Writes some of the body, without copying it.
async fn write<S>(socket: &mut S, data: Bytes, framing: Framing) -> std::io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let mut size = String::new();
    let mut end: &[u8] = b"";
    if framing == Framing::Chunked {
        let _ = write!(size, "{:x}\r\n", data.len());
        end = b"\r\n";
    }
    let mut parts = [
        IoSlice::new(size.as_bytes()),
        IoSlice::new(&data),
        IoSlice::new(end),
    ];
    let mut rest = &mut parts[..];
    // Empty parts at the beginning are no progress, and would look like a closed socket.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let written = socket.write_vectored(rest).await?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

/// The head of the answer, as it goes over the wire.
fn head(response: &Response, framing: Framing) -> Bytes {
    let mut head = Vec::with_capacity(1024);
    head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    let mut field = |name: &[u8], value: &[u8]| {
        for part in [name, b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    for (name, value) in response.headers() {
        let is_ours = [
            header::CONNECTION,
            header::TRANSFER_ENCODING,
            header::CONTENT_LENGTH,
        ]
        .contains(name);
        if !is_ours {
            field(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if !response.headers().contains_key(header::DATE) {
        let now = httpdate::fmt_http_date(SystemTime::now());
        field(b"date", now.as_bytes());
    }
    if framing == Framing::Chunked {
        field(b"transfer-encoding", b"chunked");
    }
    field(b"connection", b"close");
    head.extend_from_slice(b"\r\n");
    head.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;
    use futures::stream;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    fn response(parts: Vec<Result<&'static str, std::io::Error>>) -> Response {
        let body = Body::from_stream(stream::iter(parts));
        ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
    }

    fn taken(version: Version, parts: Vec<Result<&'static str, std::io::Error>>) -> Endless {
        Endless::take(&Method::GET, version, response(parts))
            .ok()
            .unwrap()
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = tokio::join!(client, listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    async fn delivered(endless: Endless) -> (String, bool) {
        let (mut client, server) = pair().await;
        let mut text = String::new();
        let (result, _) = tokio::join!(endless.deliver(server), client.read_to_string(&mut text));
        (text, result.is_ok())
    }

    #[tokio::test]
    async fn bodies_are_framed_as_the_version_has_it() {
        let parts = || vec![Ok("one"), Ok(""), Ok("sixteen letters!")];
        let (text, is_ok) = delivered(taken(Version::HTTP_11, parts())).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            is_ok && head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        );
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\nconnection: close"));
        assert!(head.contains("\r\ndate: "), "{head}");
        assert_eq!(body, "3\r\none\r\n10\r\nsixteen letters!\r\n0\r\n\r\n");

        let (text, _) = delivered(taken(Version::HTTP_10, parts())).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("chunked"));
        assert_eq!(body, "onesixteen letters!");
    }

    #[tokio::test]
    async fn a_body_that_breaks_has_no_end() {
        let parts = vec![Ok("one"), Err(std::io::Error::other("broken"))];
        let (text, is_ok) = delivered(taken(Version::HTTP_11, parts)).await;
        assert!(!is_ok && text.ends_with("\r\n\r\n3\r\none\r\n"), "{text}");
    }

    #[tokio::test]
    async fn who_leaves_is_noticed_while_nothing_happens() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let response = ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response();
        let endless = Endless::take(&Method::GET, Version::HTTP_11, response);
        let (client, server) = pair().await;
        let delivery = tokio::spawn(endless.ok().unwrap().deliver(server));
        drop(client);
        delivery.await.unwrap().unwrap();
    }

    #[test]
    fn other_answers_stay_where_they_are() {
        let take = |method, response| Endless::take(&method, Version::HTTP_11, response).is_ok();
        assert!(take(Method::GET, response(vec![])));
        assert!(!take(Method::HEAD, response(vec![])));
        assert!(!take(Method::GET, "text".into_response()));
        let mut refused = response(vec![]);
        *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        assert!(!take(Method::GET, refused));
    }
}
