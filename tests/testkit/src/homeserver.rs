//! A stand-in for a homeserver, or for an authorization server: it says which user an access token
//! belongs to.
//!
//! Tests script its replies per token, wrong ones too: silent, malformed, endless. For simulations
//! it knows a set of tokens instead. The replies of real servers are tested in
//! `tests/interop/auth`.

mod request;

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::process::listen;
pub use request::TokenRequest;
use request::read_request;

/// The reply to a request about a token.
#[derive(Clone, Debug)]
pub enum TokenReply {
    /// A status and a body.
    Body(u16, String),
    /// A redirect to this URL.
    Redirect(String),
    /// No reply; the connection stays open.
    Hang,
    /// No reply; the connection is closed.
    Close,
    /// A user, and this many bytes of white space after it.
    Endless(usize),
}

impl TokenReply {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Body(status, body.to_string())
    }

    /// The reply of `/account/whoami` for a user.
    pub fn user(id: &str) -> Self {
        Self::json(
            200,
            &json!({"user_id": id, "device_id": "DEVICE", "is_guest": false}),
        )
    }

    /// The reply of `/account/whoami` to an unknown token.
    pub fn unknown_token() -> Self {
        Self::json(401, &json!({"errcode": "M_UNKNOWN_TOKEN", "error": "x"}))
    }
}

/// The tokens that a stand-in knows.
#[derive(Clone, Debug)]
pub enum KnownTokens {
    /// One token, and the id of its user.
    One {
        /// The token.
        token: String,
        /// The id of its user.
        user: String,
    },
    /// All tokens with this prefix. Each belongs to another user.
    WithPrefix(String),
}

impl KnownTokens {
    fn user(&self, token: &str) -> Option<String> {
        match self {
            Self::One { token: known, user } => (known == token).then(|| user.clone()),
            Self::WithPrefix(prefix) => {
                let name = token.strip_prefix(prefix.as_str())?;
                Some(format!("@{name}:stand-in.example"))
            }
        }
    }
}

/// The stand-in. Dropping it closes its connections and ends its replies.
#[derive(Debug)]
pub struct HomeserverStub {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The known tokens, and the time that a reply takes. If it is `None`, replies are scripted.
    known: Option<(KnownTokens, Duration)>,
    replies: Mutex<HashMap<String, TokenReply>>,
    /// The reply to all other requests. `None` is that of an unknown token.
    default_reply: Mutex<Option<TokenReply>>,
    requests: Mutex<Vec<TokenRequest>>,
    connections: Mutex<Vec<TcpStream>>,
    stopped: Mutex<bool>,
}

impl HomeserverStub {
    /// Starts a stand-in for scripted replies. A token without a script is unknown.
    pub fn start() -> Self {
        Self::serve(listen(), Shared::default(), None)
    }

    /// [`start`](Self::start) behind TLS.
    pub fn start_tls(certificates: &Certificates) -> Self {
        let tls = Some(certificates.server_config());
        Self::serve(listen(), Shared::default(), tls)
    }

    /// Starts a stand-in that knows these tokens, and replies after `delay`. It does not record its
    /// requests.
    pub fn start_knowing(address: SocketAddr, tokens: KnownTokens, delay: Duration) -> Self {
        let shared = Shared {
            known: Some((tokens, delay)),
            ..Shared::default()
        };
        let listener = TcpListener::bind(address).expect("the address is free");
        Self::serve(listener, shared, None)
    }

    fn serve(listener: TcpListener, shared: Shared, tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = tls.as_ref().map_or("http", |_| "https");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting, tls.as_ref()));
        Self {
            scheme,
            address,
            shared,
        }
    }

    /// The value of `auth.homeserver_url`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Scripts the reply to every request that contains this token.
    pub fn set_reply(&self, token: &str, reply: TokenReply) {
        let mut replies = self.shared.replies.lock().expect("a lock");
        replies.insert(token.to_owned(), reply);
    }

    /// Sets the reply to every request without a scripted token, and to those without a token. `None`
    /// is the reply to an unknown token, as at the start.
    pub fn set_default_reply(&self, reply: Option<TokenReply>) {
        *self.shared.default_reply.lock().expect("a lock") = reply;
    }

    /// The requests about this token so far.
    pub fn requests_about(&self, token: &str) -> Vec<TokenRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.is_about(token));
        requests
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.shared.requests.lock().expect("a lock").clone()
    }
}

impl Drop for HomeserverStub {
    fn drop(&mut self) {
        *self.shared.stopped.lock().expect("a lock") = true;
        // The accept loop checks for the stop at its next connection.
        drop(TcpStream::connect(self.address));
        for connection in self.shared.connections.lock().expect("a lock").drain(..) {
            // The client may have closed it.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Serves each connection in a thread of its own.
fn accept(listener: &TcpListener, shared: &Arc<Shared>, tls: Option<&Arc<ServerConfig>>) {
    for stream in listener.incoming() {
        if *shared.stopped.lock().expect("a lock") {
            return;
        }
        let Ok(stream) = stream else { continue };
        let clone = || stream.try_clone().expect("a clone");
        let (kept, ending) = (clone(), clone());
        shared.connections.lock().expect("a lock").push(kept);
        let (shared, tls) = (Arc::clone(shared), tls.cloned());
        std::thread::spawn(move || {
            // The client closes the connection when it needs it no more.
            let _ = shared.serve_connection(stream, tls);
            // The kept handle would leave it open.
            ending.shutdown(std::net::Shutdown::Both)
        });
    }
}

impl Shared {
    fn serve_connection(
        &self,
        stream: TcpStream,
        tls: Option<Arc<ServerConfig>>,
    ) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        match tls {
            None => self.serve(stream),
            Some(tls) => {
                let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
                self.serve(StreamOwned::new(connection, stream))
            }
        }
    }

    fn serve(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream)? {
            let reply = self.reply_to(request);
            let stream = stream.get_mut();
            match reply {
                TokenReply::Body(status, body) => {
                    let length = body.len();
                    let reply = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\
                         Content-Length: {length}\r\n\r\n{body}"
                    );
                    stream.write_all(reply.as_bytes())?;
                }
                TokenReply::Redirect(to) => write!(
                    stream,
                    "HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
                )?,
                TokenReply::Hang => std::io::copy(stream, &mut std::io::sink()).map(drop)?,
                TokenReply::Close => return Ok(()),
                TokenReply::Endless(length) => write_endless(stream, length)?,
            }
        }
        Ok(())
    }

    fn reply_to(&self, request: TokenRequest) -> TokenReply {
        if let Some((known, delay)) = &self.known {
            let token = request.authorization.strip_prefix("Bearer ");
            let user = token.and_then(|token| known.user(token));
            std::thread::sleep(*delay);
            return user.map_or_else(TokenReply::unknown_token, |id| TokenReply::user(&id));
        }
        let replies = self.replies.lock().expect("a lock").clone();
        let reply = replies.iter().find(|(token, _)| request.is_about(token));
        let reply = reply.map(|(_, reply)| reply.clone());
        self.requests.lock().expect("a lock").push(request);
        let default = || self.default_reply.lock().expect("a lock").clone();
        reply
            .or_else(default)
            .unwrap_or_else(TokenReply::unknown_token)
    }
}

/// The body is JSON to its last byte: a client that reads all of it would accept it.
fn write_endless(stream: &mut impl Write, length: usize) -> std::io::Result<()> {
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
    Ok(())
}
