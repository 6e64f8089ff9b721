//! A pod-proxy that does what the test says.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16, &'static str),
    Body(Vec<u8>),
    /// Breaks the connection off in the middle of the body.
    Break,
    /// Reads and never answers.
    Hang,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    pub authorization: String,
    pub body: Vec<u8>,
}

/// Answers with one answer after the other; the last one is for all further requests.
pub struct Proxy {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Proxy {
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let log = Arc::clone(&received);
        // It ends with the process of the test: the listener has no other owner.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                std::thread::spawn(move || serve(&stream.unwrap(), &log, &answers));
            }
        });
        Self { url, received }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<Received>>, answers: &Mutex<VecDeque<Answer>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" => authorization = value.to_owned(),
                _ => {}
            }
        }
        let answer = {
            let mut answers = answers.lock().unwrap();
            match answers.len() {
                0 | 1 => answers.front().cloned().unwrap_or(Answer::Hang),
                _ => answers.pop_front().unwrap(),
            }
        };
        let mut received = Received {
            line: line.trim_end().to_owned(),
            authorization,
            body: Vec::new(),
        };
        if let Answer::Break = answer {
            log.lock().unwrap().push(received);
            return;
        }
        received.body = vec![0; length];
        let is_whole = reader.read_exact(&mut received.body).is_ok();
        log.lock().unwrap().push(received);
        if !is_whole {
            return;
        }
        match answer {
            Answer::Status(status, code) => {
                let body =
                    format!(r#"{{"error":{{"code":"{code}","message":"because of {code}"}}}}"#);
                respond(stream, status, body.as_bytes());
            }
            Answer::Body(body) => respond(stream, 200, &body),
            Answer::Break | Answer::Hang => {
                // Until the other side goes.
                let _ = reader.read_to_end(&mut Vec::new());
                return;
            }
        }
    }
}

fn respond(mut stream: &TcpStream, status: u16, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // Whoever asked may be gone.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}
