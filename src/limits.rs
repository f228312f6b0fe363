//! Every limiter of this replica: rates per key, concurrency per client, requests in flight.
//!
//! `policy` calls them and decides about requests; `net/admission` calls the one for connections, and
//! `policy/auth` the one for token checks. The store enforces the limits that hold over all replicas.
//!
//! # Every cause of a 429
//!
//! `rendezvous_rejections_total` and the rejection log name the `reason`.
//! `http/error/mapping.rs` maps each reason of this table to a 429. A client is an IPv4 address or an IPv6 /64, a
//! network is an IPv6 /48. The fleet is all replicas that share one store.
//!
//! | reason | limit | key | scope | file |
//! |---|---|---|---|---|
//! | `create_client` | creations, discoveries: rate \[1\] | client | replica | `limits/replica.rs` |
//! | `create_network` | creations, discoveries: rate \[1\] | network | replica | `limits/replica.rs` |
//! | `create_user` | creations: rate \[1\] | user | replica | `limits/replica.rs` |
//! | `create_client` | creations: rate \[1\] | client | fleet | `store/redis/lease.rs` |
//! | `create_network` | creations: rate \[1\] | network | fleet | `store/redis/lease.rs` |
//! | `create_user` | creations: rate \[1\] | user | fleet | `store/redis/lease.rs` |
//! | `requests_client` | requests on sessions and on unknown paths: rate \[2\] | client | replica | `limits/replica.rs` |
//! | `requests_network` | requests on sessions and on unknown paths: rate \[2\] | network | replica | `limits/replica.rs` |
//! | `requests_session` | requests on a session: rate \[2\] | session | replica | `limits/replica.rs` |
//! | `session_busy` | 64 requests in flight | session | replica | `limits/in_flight.rs` |
//! | `client_busy` | 256 requests in flight | client | replica | `limits/in_flight.rs` |
//! | `client_busy` | 2,560 requests in flight | network | replica | `limits/in_flight.rs` |
//! | `live_total` | live sessions: `session.max_live` | none | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_client` | live sessions: share \[3\] | client | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_network` | live sessions: share \[3\] | network | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_user` | live sessions: share \[3\] | user | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_ipv4_24` | live sessions: share \[3\] | IPv4 /24 | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_ipv4_16` | live sessions: share \[3\] | IPv4 /16 | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_ipv6_40` | live sessions: share \[3\] | IPv6 /40 | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `live_ipv6_32` | live sessions: share \[3\] | IPv6 /32 | fleet | `store/memory.rs`, `store/redis/lease.rs` |
//! | `writes_full` | writes: `session.max_writes` | session | fleet | `store/memory/entry.rs`, `store/redis/lua/write.lua` |
//! | `txns_full` | recorded txnIds: `session.max_txn_ids` | session | fleet | `store/memory/entry.rs`, `store/redis/lua/write.lua` |
//!
//! - \[1\] `limits.create.*`. Discoveries have allowances of their own, as large as those of
//!   creations. `limits/keyed_rate.rs` counts per replica; Redis also counts creations per fleet.
//! - \[2\] `limits.requests.*`, counted by `limits/keyed_rate.rs`.
//! - \[3\] `limits.live.*`. A share shrinks once more than half of `session.max_live` is in use:
//!   `store/session_limits.rs`. If several shares are used up, the first in the table is the reason.
//! - `store/memory*` applies with the memory store, `store/redis/*` with Redis. `store/redis/lease.rs`
//!   runs `store/redis/lua/check_lease.lua`.
//!
//! Two bounds on memory can reject a client that has used nothing up:
//!
//! - If a rate limiter's table is full (`limits.max_keys`), new clients of a shard share one bucket for
//!   creations: `limits/keyed_rate/table.rs`. Requests on sessions pass.
//! - Requests in flight are counted by hash, so two keys can share a counter: `limits/in_flight.rs`.
//!
//! Limits that do not cause a 429:
//!
//! - Deny lists (`limits.deny.*`) cause a 403: `limits/replica.rs`.
//! - 64 token checks in flight (8 per client, 32 per network) cause a 503:
//!   `policy/auth/concurrency.rs`, with `limits/client_concurrency.rs`.
//! - `store.redis.max_waiting` requests that wait for the store (256 per client, 2,560 per network)
//!   cause a 503: `limits/wait.rs`, with `limits/client_concurrency.rs`.
//! - `msc4108.long_poll.max_waiting` held reads (64 per client, 640 per network, 4 per session): a
//!   further read is answered at once. `session/hold.rs`, with `limits/wait.rs`.
//! - `http.max_connections_per_client` closes the connection: `net/admission.rs`, with
//!   `limits/client_concurrency.rs`.
//! - The same number of HTTP/2 streams per client, or `http.max_connections` in total, refuses a stream:
//!   `limits/http2_streams.rs`.
//!
//! `limits.enabled = false` switches off all of them but the deny lists, the limits of one session
//! (`session_busy`, `writes_full`, `txns_full`), `live_total`, the total of HTTP/2 streams and the
//! limits on token checks.

pub mod client_concurrency;
pub mod http2_streams;
pub(crate) mod in_flight;
pub(crate) mod keyed_rate;
pub(crate) mod replica;
pub(crate) mod wait;

#[cfg(test)]
mod tests {
    use crate::model::Rejection;

    #[test]
    fn table_lists_every_reason_of_a_429() {
        let reasons = Rejection::ALL.iter().filter(|reason| reason.is_limit());
        for reason in reasons.filter(|reason| !matches!(reason, Rejection::Denied(_))) {
            let reason = reason.label();
            let row = format!("//! | `{reason}` | ");
            assert!(include_str!("limits.rs").contains(&row), "{reason}");
        }
    }
}
