//! A device behind the load balancer that counts its lost requests, and retries them if it may.

use crate::counters::Counters;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testkit::device::Device;
use testkit::dialect::{Caller, Dialect, Response, SessionHandle, Update};
use testkit::sign_in::Messenger;
use tokio::time::{Instant, sleep};

/// Time between a poll's reply and the next poll. Real clients wait a second. With this interval
/// fifty times as many requests meet a deployment.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a client retries a request.
const RETRY_LIMIT: Duration = Duration::from_secs(15);

/// What the clients of one scenario share.
#[derive(Debug)]
pub struct Shared {
    address: SocketAddr,
    retry: bool,
    /// The results.
    pub counters: Counters,
    stopped: AtomicBool,
    expected_rejection: Mutex<Option<Rejection>>,
}

/// Why a creation may be rejected now.
#[derive(Debug, Clone, Copy)]
pub enum Rejection {
    /// `maintenance = true`.
    Maintenance,
    /// A limit of creations.
    Limit,
}

impl Shared {
    /// Clients of this address. If `retry` is true, they retry a request that got no reply or a
    /// 5xx. The protocol allows it; today's clients do not do it.
    pub fn new(address: SocketAddr, retry: bool) -> Self {
        Self {
            address,
            retry,
            counters: Counters::default(),
            stopped: AtomicBool::new(false),
            expected_rejection: Mutex::default(),
        }
    }

    /// Sets why creations may be rejected from now on.
    pub fn expect_rejection(&self, rejection: Option<Rejection>) {
        *self
            .expected_rejection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = rejection;
    }

    /// Makes the clients complete their sign-ins and begin no others.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the clients must begin no more sign-ins.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Whether a creation is rejected as expected, with the status and errcode that the documents
    /// promise.
    fn is_expected_rejection(&self, dialect: Dialect, reply: &Response) -> bool {
        let expected = *self
            .expected_rejection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (status, errcode) = match (expected, dialect) {
            (None, _) => return false,
            (Some(Rejection::Maintenance), Dialect::Etag) => (503, "M_UNKNOWN"),
            (Some(Rejection::Maintenance), _) => (403, "M_FORBIDDEN"),
            (Some(Rejection::Limit), _) => (429, "M_LIMIT_EXCEEDED"),
        };
        reply.status == status && reply.body.contains(&format!("\"{errcode}\""))
    }
}

/// The result of a creation.
#[derive(Debug)]
pub enum Creation {
    /// The session exists.
    Session(SessionHandle),
    /// The creation was rejected as expected.
    Rejected,
}

/// A device that counts its requests and the lost ones among them.
#[derive(Debug)]
pub struct CountingDevice {
    shared: Arc<Shared>,
    device: Device,
    /// Whether a request of it was lost.
    pub has_lost: bool,
}

impl CountingDevice {
    /// A device that has not connected yet.
    pub fn new(shared: &Arc<Shared>, dialect: Dialect) -> Self {
        Self {
            shared: Arc::clone(shared),
            device: Device::new(dialect, Caller::default(), &[shared.address]),
            has_lost: false,
        }
    }

    /// Sets the token of the payload that the device has read or written last; empty for none.
    pub fn set_known(&mut self, token: &str) {
        token.clone_into(&mut self.device.known);
    }

    /// Creates a session.
    pub async fn create(&mut self, data: &str) -> Result<Creation, String> {
        let dialect = self.device.dialect;
        let request = dialect.create(&Caller::default(), data);
        let shared = Arc::clone(&self.shared);
        let creation = self.send("creation", &request, |reply| {
            if shared.is_expected_rejection(dialect, reply) {
                return Some(Creation::Rejected);
            }
            dialect.created(reply).map(Creation::Session)
        });
        let creation = creation.await?;
        if let Creation::Session(session) = &creation {
            self.set_known(&session.token);
        }
        Ok(creation)
    }

    /// Sends a request once, or until it has a reply if the clients retry.
    ///
    /// `read` returns `None` for a reply that the protocol does not allow here: a 502 of the load
    /// balancer, a 404 for a live session, a 412 for another device's conflict. Such a request is
    /// lost, like one without a reply. Clients may retry only the latter, and a 5xx.
    async fn send<T>(
        &mut self,
        name: &'static str,
        request: &[u8],
        read: impl Fn(&Response) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + RETRY_LIMIT;
        loop {
            self.shared.counters.requests.add();
            let (loss, may_retry) = match self.device.request(name, request).await {
                Ok(reply) => {
                    if let Some(value) = read(&reply) {
                        return Ok(value);
                    }
                    let loss = format!("{name}: {} {}", reply.status, reply.body);
                    (loss, reply.status >= 500)
                }
                Err(failure) => (failure.to_string(), true),
            };
            self.shared.counters.lost.add();
            self.has_lost = true;
            if !(may_retry && self.shared.retry) || Instant::now() > deadline {
                return Err(loss);
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

impl Messenger for CountingDevice {
    async fn poll(&mut self, path: &str) -> Result<Option<Update>, String> {
        let (dialect, known) = (self.device.dialect, self.device.known.clone());
        let request = dialect.poll(&Caller::default(), path, &known);
        let read = |reply: &Response| dialect.polled(reply, &known).ok();
        let update = self.send("poll", &request, read).await?;
        if let Some(update) = &update {
            self.set_known(&update.token);
        }
        Ok(update)
    }

    async fn write(&mut self, path: &str, data: &str) -> Result<(), String> {
        let session = SessionHandle {
            path: path.to_owned(),
            token: self.device.known.clone(),
        };
        let dialect = self.device.dialect;
        let request = dialect.write(&Caller::default(), &session, data);
        let read = |reply: &Response| dialect.written(reply);
        let token = self.send("write", &request, read).await?;
        self.set_known(&token);
        Ok(())
    }
}
