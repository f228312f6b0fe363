//! A device as the released SDKs behave in the `ETag` dialect, on one keep-alive connection.
//!
//! It polls one request at a time and repeats none: an unexpected status, a broken connection or a
//! late reply ends the sign-in, as in matrix-sdk.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use testkit::dialect::{Caller, Dialect, Response, SessionHandle};
use testkit::keep_alive::KeepAliveClient;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// The pause of both SDKs after a 304.
const POLL_PAUSE: Duration = Duration::from_secs(1);

/// The timeout of matrix-sdk for a reply.
const REPLY_DEADLINE: Duration = Duration::from_secs(30);

/// A device with an open connection.
pub struct Device {
    client: KeepAliveClient,
    /// The `ETag` of the payload that it has read or written last.
    known: String,
    /// Requests of all devices of this process.
    requests: Rc<Cell<u64>>,
}

impl Device {
    /// Connects from this address to a worker.
    pub async fn connect(
        source: IpAddr,
        worker: SocketAddr,
        requests: Rc<Cell<u64>>,
    ) -> Result<Self, String> {
        let connection = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            KeepAliveClient::over(socket.connect(worker).await?)
        };
        let client = timeout(REPLY_DEADLINE, connection).await;
        let client = client.map_err(|_| "connection: not in time".to_owned())?;
        Ok(Self {
            client: client.map_err(|error| format!("connection: {error}"))?,
            known: String::new(),
            requests,
        })
    }

    /// Creates an empty session, as the device that shows the code does. Returns its path.
    pub async fn create(&mut self) -> Result<String, String> {
        let request = Dialect::Etag.create(&Caller::default(), "");
        let reply = self.send("creation", &request).await?;
        let session = Dialect::Etag.created(&reply);
        let session = session.ok_or_else(|| unexpected("creation", &reply))?;
        self.known = session.token;
        Ok(session.path)
    }

    /// Reads the session that another device has created, without `If-None-Match`.
    pub async fn scan(&mut self, path: &str) -> Result<(), String> {
        match self.poll(path).await? {
            Some(payload) if payload.is_empty() => Ok(()),
            Some(payload) => Err(format!("scan: found {payload:?}")),
            None => Err("scan: status 304".to_owned()),
        }
    }

    /// Polls until there is another payload than the known one, and returns it.
    pub async fn receive(&mut self, path: &str) -> Result<String, String> {
        loop {
            if let Some(payload) = self.poll(path).await? {
                return Ok(payload);
            }
            sleep(POLL_PAUSE).await;
        }
    }

    async fn poll(&mut self, path: &str) -> Result<Option<String>, String> {
        let request = Dialect::Etag.poll(&Caller::default(), path, &self.known);
        let reply = self.send("poll", &request).await?;
        match (reply.status, reply.etag) {
            (304, _) => Ok(None),
            (200, Some(etag)) if etag == self.known => Err("poll: a repeated payload".to_owned()),
            (200, Some(etag)) => {
                self.known = etag;
                Ok(Some(reply.body))
            }
            (status, _) => Err(format!("poll: status {status} {}", reply.body)),
        }
    }

    /// Writes over the known payload.
    pub async fn write(&mut self, path: &str, data: &str) -> Result<(), String> {
        let session = SessionHandle {
            path: path.to_owned(),
            token: std::mem::take(&mut self.known),
        };
        let request = Dialect::Etag.write(&Caller::default(), &session, data);
        let reply = self.send("write", &request).await?;
        let etag = Dialect::Etag.written(&reply);
        self.known = etag.ok_or_else(|| unexpected("write", &reply))?;
        Ok(())
    }

    async fn send(&mut self, what: &str, request: &[u8]) -> Result<Response, String> {
        self.requests.set(self.requests.get() + 1);
        match timeout(REPLY_DEADLINE, self.client.send(request)).await {
            Ok(Ok(reply)) => Ok(reply.into()),
            Ok(Err(error)) => Err(format!("{what}: {error}")),
            Err(_) => Err(format!("{what}: no reply in {REPLY_DEADLINE:?}")),
        }
    }

    /// Ends the device, and returns its connection. An HTTP client keeps that for a minute and more.
    pub fn into_stream(self) -> TcpStream {
        self.client.into_stream()
    }
}

fn unexpected(what: &str, reply: &Response) -> String {
    format!("{what}: status {} {}", reply.status, reply.body)
}
