//! A stand-in for whoever says whose an access token is, that can be as wrong as no real one will be on
//! request: silent, garbled, endless. What real ones say is in `tests/interop/auth`.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::certificates::Certificates;

/// What it does when it is asked.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers with a status and this body.
    Says(u16, String),
    /// Sends the client elsewhere.
    Redirects(String),
    /// Never answers, and keeps the connection.
    Hangs,
    /// Closes the connection.
    Closes,
    /// Answers with a user, and this many bytes more.
    Endless(usize),
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Says(status, body.to_string())
    }

    /// `/account/whoami` of a user.
    pub fn user(id: &str) -> Self {
        Self::json(
            200,
            &json!({"user_id": id, "device_id": "DEVICE", "is_guest": false}),
        )
    }
}

/// One question, as it came.
#[derive(Clone, Debug)]
pub struct Question {
    pub line: String,
    pub authorization: String,
    pub body: String,
}

/// Listens until it is dropped; then nobody answers there.
#[derive(Debug)]
pub struct Issuer {
    scheme: &'static str,
    address: SocketAddr,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answers: Mutex<HashMap<String, Answer>>,
    questions: Mutex<Vec<Question>>,
    connections: Mutex<Vec<TcpStream>>,
    over: Mutex<bool>,
}

impl Issuer {
    pub fn start() -> Self {
        Self::listen(None)
    }

    /// Behind TLS.
    pub fn start_tls(certificates: &Certificates) -> Self {
        Self::listen(Some(certificates.server_config()))
    }

    fn listen(tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = tls.as_ref().map_or("http", |_| "https");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let known = Arc::new(Known::default());
        let of_listener = Arc::clone(&known);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if *of_listener.over.lock().expect("a lock") {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let known = Arc::clone(&of_listener);
                let clone = || stream.try_clone().expect("a clone");
                let (kept, ending) = (clone(), clone());
                known.connections.lock().expect("a lock").push(kept);
                let tls = tls.clone();
                // The client closes the connection when it has what it wants.
                std::thread::spawn(move || {
                    known.meet(stream, tls).unwrap_or_default();
                    // What is kept of it would hold it open.
                    ending.shutdown(std::net::Shutdown::Both)
                });
            }
        });
        Self {
            scheme,
            address,
            known,
        }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// From now on it answers so about whatever contains this token. About others it says that they are
    /// nobody's.
    pub fn answers(&self, token: &str, answer: Answer) {
        let mut answers = self.known.answers.lock().expect("a lock");
        answers.insert(token.to_owned(), answer);
    }

    /// What it was asked about this token.
    pub fn asked_about(&self, token: &str) -> Vec<Question> {
        let mut questions = self.asked();
        questions.retain(|question| question.is_about(token));
        questions
    }

    /// What it was asked.
    pub fn asked(&self) -> Vec<Question> {
        self.known.questions.lock().expect("a lock").clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        *self.known.over.lock().expect("a lock") = true;
        // The listener looks when somebody comes.
        drop(TcpStream::connect(self.address));
        for connection in self.known.connections.lock().expect("a lock").drain(..) {
            // Closed by the client already, perhaps.
            connection
                .shutdown(std::net::Shutdown::Both)
                .unwrap_or_default();
        }
    }
}

impl Question {
    fn is_about(&self, token: &str) -> bool {
        self.authorization == format!("Bearer {token}") || self.body.contains(token)
    }
}

impl Known {
    fn meet(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> std::io::Result<()> {
        match tls {
            None => self.serve(stream),
            Some(tls) => {
                let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
                self.serve(StreamOwned::new(connection, stream))
            }
        }
    }

    fn serve(&self, mut stream: impl Read + Write) -> std::io::Result<()> {
        while let Some(question) = read(&mut stream)? {
            let answers = self.answers.lock().expect("a lock").clone();
            let answer = answers.iter().find(|(token, _)| question.is_about(token));
            let answer = answer.map(|(_, answer)| answer.clone());
            self.questions.lock().expect("a lock").push(question);
            let nobody = || Answer::json(401, &json!({"errcode": "M_UNKNOWN_TOKEN", "error": "x"}));
            match answer.unwrap_or_else(nobody) {
                Answer::Says(status, body) => {
                    write!(
                        stream,
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    )?;
                }
                Answer::Redirects(to) => {
                    write!(
                        stream,
                        "HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
                    )?;
                }
                Answer::Hangs => std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())?,
                Answer::Closes => return Ok(()),
                Answer::Endless(length) => {
                    // JSON to its last byte: whoever read it all would believe it.
                    let user = r#"{"user_id":"@user:example.org"}"#;
                    let whole = user.len() + length;
                    write!(
                        stream,
                        "HTTP/1.1 200 X\r\nContent-Length: {whole}\r\n\r\n{user}"
                    )?;
                    let part = vec![b' '; 1 << 16];
                    for _ in 0..length / part.len() {
                        stream.write_all(&part)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A request with its body, or `None` at the connection's end.
fn read(stream: &mut impl Read) -> std::io::Result<Option<Question>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(of, _)| of.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Question {
        line: head.lines().next().unwrap_or_default().to_owned(),
        authorization: header("authorization").unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}
