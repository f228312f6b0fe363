//! What a connection's requests and its socket report to each other.
//!
//! `connection` reports when a request starts and ends, `timeout_stream` when a side closes.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use tokio::sync::Notify;

/// The requests of one connection: how many are in flight, how many have started, and whether the
/// server or the client has closed its side; and whether the client speaks TLS.
#[derive(Debug, Default)]
pub struct RequestActivity {
    in_flight: AtomicU32,
    started: AtomicU32,
    /// Length of the last request's body. 0 if it is chunked.
    body_length: AtomicU64,
    write_closed: AtomicBool,
    read_closed: AtomicBool,
    on_read_closed: Notify,
    is_tls: AtomicBool,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub struct ActiveRequest<'a>(&'a RequestActivity);

impl RequestActivity {
    /// Records that a request's head is complete, and the length of the body that it announces: 0 if
    /// the body is chunked.
    pub fn start_request(&self, body_length: u64) -> ActiveRequest<'_> {
        self.body_length.store(body_length, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(self)
    }

    /// Returns the length of the last request's body. 0 if it is chunked.
    pub fn body_length(&self) -> u64 {
        self.body_length.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that have started. It wraps around.
    pub fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether no request has started yet.
    pub fn is_unused(&self) -> bool {
        self.started() == 0
    }

    /// Whether no request is in flight.
    pub fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Records that a TLS record arrived instead of a request.
    pub fn record_tls(&self) {
        self.is_tls.store(true, Ordering::Relaxed);
    }

    /// Whether a TLS record arrived instead of a request.
    pub fn is_tls(&self) -> bool {
        self.is_tls.load(Ordering::Relaxed)
    }

    /// Records that the server has closed its side.
    pub fn close_write(&self) {
        self.write_closed.store(true, Ordering::Relaxed);
    }

    /// Whether the server has closed its side: the last response is sent, and only the client's
    /// close is missing.
    pub fn is_write_closed(&self) -> bool {
        self.write_closed.load(Ordering::Relaxed)
    }
}

impl RequestActivity {
    /// Records that the client has closed its sending side.
    pub fn close_read(&self) {
        if !self.read_closed.swap(true, Ordering::SeqCst) {
            self.on_read_closed.notify_waiters();
        }
    }

    /// Waits until the client has closed its sending side.
    pub async fn read_closed(&self) {
        // Before the check: from its creation on it is notified.
        let notified = self.on_read_closed.notified();
        if !self.read_closed.load(Ordering::SeqCst) {
            notified.await;
        }
    }
}

impl Drop for ActiveRequest<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
