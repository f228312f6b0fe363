//! Black-box tests of the server: the real binary, real ports, real Redis.

#![expect(
    clippy::disallowed_methods,
    reason = "a test waits in real time, bounded, and clears the environment of what it starts"
)]

mod admin_api;
mod architecture;
mod auth;
mod cli;
mod config_documented;
mod config_schema;
mod contract;
mod deployments;
mod docs_links;
mod half_close;
mod homeservers;
mod http_robustness;
mod language;
mod lifecycle;
mod limits;
mod listen;
mod msc4108;
mod panics;
mod protocol_bad_input;
mod protocol_fetch_metadata;
mod protocol_modes;
mod protocol_replies;
mod protocol_routes;
mod protocol_rules;
mod protocol_sessions;
mod protocol_sizes;
mod protocol_txns;
mod protocol_writes;
mod readiness_path;
mod redis_addresses;
mod redis_change_feed;
mod redis_clock;
mod redis_cluster;
mod redis_error_text;
mod redis_errors;
mod redis_faults;
mod redis_in_process;
mod redis_lost_replies;
mod redis_memory;
mod redis_reconnect_reasons;
mod redis_replication;
mod redis_reply_desync;
mod redis_rollback;
mod redis_round_trips;
mod redis_scripts;
mod redis_secrets;
mod redis_sentinel;
mod redis_sign_ins;
mod redis_start_checks;
mod redis_store_checks;
mod redis_topologies;
mod redis_transports;
mod redis_urls;
mod replicas;
mod repository;
mod server;
mod store_wait;
mod telemetry;
mod tls;
