//! Every limit that this replica enforces: rates per key, concurrency per client, requests in flight.
//!
//! Limits over all replicas (live sessions, creations) are enforced by the store: `store::quotas`.

pub mod client_concurrency;
pub(crate) mod in_flight;
pub(crate) mod keyed_rate;
pub(crate) mod replica;
