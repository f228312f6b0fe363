//! Runs a future that never waits.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Returns the output of `future`.
///
/// # Panics
/// If the future waits.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}
