//! How requests waited: for the store, and for a change of their session.

use crate::model::label::label;

label! {
    /// How a request's wait for the store ended.
    WaitOutcome {
        /// The store answered.
        Answered = "answered",
        /// `store.redis.retry_timeout` had passed.
        TimedOut = "timed_out",
        /// The request did not wait: too many requests were waiting.
        Refused = "refused",
        /// The process is about to cut its connections.
        Stopped = "stopped",
        /// The store rejected the call until an operator changes something, or the session cannot
        /// be read.
        Failed = "failed",
        /// The client reset the connection or the stream.
        Abandoned = "abandoned",
    }
}

label! {
    /// How a held read ended (docs/protocol.md, 2.7).
    HoldEnd {
        /// The session was written: 200.
        Written = "written",
        /// The session was deleted or expired: 404.
        Gone = "gone",
        /// `msc4108.long_poll.timeout` had passed: 304.
        TimedOut = "timed_out",
        /// The process got the signal to stop: 304.
        Stopped = "stopped",
        /// The client closed its sending side: 304.
        HungUp = "hung_up",
        /// The store failed: 304.
        StoreFailed = "store_failed",
        /// The client reset the connection or the stream.
        Abandoned = "abandoned",
    }
}
