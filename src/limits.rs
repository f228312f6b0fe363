//! Every limiter of this replica: rates per key, concurrency per client, requests in flight.
//!
//! `policy` calls them and decides. The store enforces the limits that hold over all replicas
//! (`store::quotas`).
//!
//! # Every cause of a 429
//!
//! `rendezvous_rejections_total` and the rejection log name the `reason`.
//! `http/error/mapping.rs` maps every reason to a 429. A client is an IPv4 address or an IPv6 /64, a
//! network is an IPv6 /48. The fleet is all replicas that share one store.
//!
//! | reason | limit | key | scope | file |
//! |---|---|---|---|---|
//! | `create_client` | creations, discoveries: rate \[1\] | client | replica | \[P\] |
//! | `create_network` | creations, discoveries: rate \[1\] | network | replica | \[P\] |
//! | `create_user` | creations: rate \[1\] | user | replica | \[P\] |
//! | `create_client` | creations: rate \[1\] | client | fleet | \[R\] |
//! | `create_network` | creations: rate \[1\] | network | fleet | \[R\] |
//! | `create_user` | creations: rate \[1\] | user | fleet | \[R\] |
//! | `requests_client` | requests on sessions: rate \[2\] | client | replica | \[P\] |
//! | `requests_network` | requests on sessions: rate \[2\] | network | replica | \[P\] |
//! | `requests_session` | requests on a session: rate \[2\] | session | replica | \[P\] |
//! | `session_busy` | 64 requests in flight | session | replica | `limits/in_flight.rs` |
//! | `client_busy` | 256 requests in flight | client | replica | `limits/in_flight.rs` |
//! | `client_busy` | 2,560 requests in flight | network | replica | `limits/in_flight.rs` |
//! | `live_total` | live sessions: `session.max_live` | none | fleet | \[M\], \[R\] |
//! | `live_client` | live sessions: share \[3\] | client | fleet | \[M\], \[R\] |
//! | `live_network` | live sessions: share \[3\] | network | fleet | \[M\], \[R\] |
//! | `live_user` | live sessions: share \[3\] | user | fleet | \[M\], \[R\] |
//! | `writes_full` | writes: `session.max_writes` | session | fleet | \[E\], \[W\] |
//! | `txns_full` | recorded txnIds: `session.max_txn_ids` | session | fleet | \[E\], \[W\] |
//!
//! - \[1\] `limits.create.*`. Discoveries have allowances of their own, as large as those of
//!   creations. `limits/keyed_rate.rs` counts per replica; Redis also counts creations per fleet.
//! - \[2\] `limits.requests.*`, counted by `limits/keyed_rate.rs`.
//! - \[3\] `limits.live.*`. A share shrinks once more than half of `session.max_live` is in use:
//!   `store/quotas.rs`.
//! - \[P\] `limits/replica.rs`.
//! - \[M\] `store/memory.rs`, \[E\] `store/memory/entry.rs`, with the memory store.
//! - \[R\] `store/redis/lease.rs` and `store/redis/lua/acquire_lease.lua`, \[W\]
//!   `store/redis/lua/write.lua`, with the Redis store.
//!
//! Limits that do not cause a 429:
//!
//! - Deny lists (`limits.deny.*`) cause a 403: `limits/replica.rs`.
//! - 64 token checks in flight (8 per client, 32 per network) cause a 503:
//!   `policy/auth/concurrency.rs`, with `limits/client_concurrency.rs`.
//! - `http.max_connections_per_client` closes the connection: `net/admission.rs`, with
//!   `limits/client_concurrency.rs`.
//!
//! `limits.enabled = false` switches off all of them but the deny lists, the limits of one session
//! (`session_busy`, `writes_full`, `txns_full`), `live_total` and the limits on token checks.

pub mod client_concurrency;
pub(crate) mod in_flight;
pub(crate) mod keyed_rate;
pub(crate) mod replica;

#[cfg(test)]
mod tests {
    use crate::model::{Limit, Rejection};

    #[test]
    fn table_lists_every_reason_of_a_429() {
        let busy_or_full = [
            Rejection::SessionBusy,
            Rejection::ClientBusy,
            Rejection::WritesFull,
            Rejection::TxnsFull,
        ];
        let reasons = Limit::ALL.iter().map(|limit| limit.label());
        for reason in reasons.chain(busy_or_full.map(|reason| reason.label())) {
            let row = format!("//! | `{reason}` | ");
            assert!(include_str!("limits.rs").contains(&row), "{reason}");
        }
    }
}
