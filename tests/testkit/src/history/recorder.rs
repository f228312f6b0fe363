//! Collects the calls of several clients on one session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Call, History, Operation, Outcome};

/// The record of one session. Its clones add to the same record.
#[derive(Debug, Clone)]
pub struct Recorder {
    start: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A call that has been sent. If it is dropped, its outcome stays unknown.
#[derive(Debug)]
#[must_use = "without its end the outcome is unknown"]
pub struct OpenCall {
    recorder: Recorder,
    index: usize,
}

impl Recorder {
    /// An empty record. `start` is the start of the run, the same for all sessions.
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            calls: Arc::default(),
        }
    }

    /// Records that a request is about to be sent.
    pub fn begin(&self, client: &str, operation: Operation) -> OpenCall {
        let mut calls = self.calls();
        let begin = self.start.elapsed();
        calls.push(Call {
            client: client.to_owned(),
            operation,
            begin,
            end: begin,
            outcome: Outcome::Unknown,
        });
        OpenCall {
            recorder: self.clone(),
            index: calls.len() - 1,
        }
    }

    /// The record so far, for a store that must lose nothing.
    pub fn history(&self, lifetime: Duration) -> History {
        History {
            lifetime,
            calls: self.calls().clone(),
            losses: Vec::new(),
            doubts: Vec::new(),
        }
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenCall {
    /// Records the response, which is complete now.
    pub fn end(self, outcome: Outcome) {
        let end = self.recorder.start.elapsed();
        let mut calls = self.recorder.calls();
        let call = &mut calls[self.index];
        (call.end, call.outcome) = (end, outcome);
    }
}
