//! A stand-in for a homeserver: it says whose an access token is, and nothing else.
//!
//! For the scenarios in mode `authenticated`. Tokens that begin with [`GOOD`] are good, each another user's; all
//! others are nobody's. What real homeservers say is tried in `tests/interop/auth`.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a good token begins with.
pub const GOOD: &str = "good-";

/// What a homeserver takes to look a token up: with none the workers' bound on questions under way would never
/// be felt.
const THOUGHT: Duration = Duration::from_millis(20);

/// The stand-in; it answers as long as this process lives.
#[derive(Debug)]
pub struct Homeserver {
    address: SocketAddr,
}

impl Homeserver {
    /// Listens, on a thread of its own.
    pub fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the homeserver stand-in: {error}");
        let runtime = crate::runtime()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        // A connection that breaks is a worker's that went.
                        tokio::spawn(async move { answer(stream).await.unwrap_or_default() });
                    }
                }
            });
        });
        Ok(Self { address })
    }

    /// What the workers are configured with.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Answers the questions of one connection. They have no bodies.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut asked = Vec::new();
    loop {
        let Some(end) = asked.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            if stream.read_buf(&mut asked).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let head: Vec<u8> = asked.drain(..end + 4).collect();
        let (status, body) = about(&String::from_utf8_lossy(&head));
        tokio::time::sleep(THOUGHT).await;
        let length = body.len();
        let reply = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(reply.as_bytes()).await?;
    }
}

/// The answer of `/account/whoami` to a question with this head.
fn about(head: &str) -> (&'static str, String) {
    let token = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().strip_prefix("Bearer ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    });
    match token.and_then(|token| token.strip_prefix(GOOD)) {
        Some(user) => (
            "200 OK",
            format!(r#"{{"user_id":"@{user}:stand-in.example","is_guest":false}}"#),
        ),
        None => (
            "401 Unauthorized",
            r#"{"errcode":"M_UNKNOWN_TOKEN","error":"Not a token of this stand-in"}"#.to_owned(),
        ),
    }
}
