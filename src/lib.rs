//! matrix-rendezvous: the mailbox in which two devices of one person meet to sign the new one in by
//! QR code (MSC4388). Stateless workers; sessions in Redis, or in memory for one replica.
//!
//! ```text
//! bytes ─► net ─► http ─► policy ─► session ─► store ─► { memory | redis }
//!            └── model, config, telemetry, clock, tls, http_client, limits, lifecycle (leaves for all) ──┘
//! ```
//!
//! An import runs along an arrow or to a leaf, never back; `tests/it/architecture.rs` holds us to it.
//! Beside the walk of a request stand `cli`, `healthcheck`, `admin` (the operators' listener), `startup`
//! and `app`, which alone names every concrete type.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod healthcheck;
pub mod http;
pub mod http_client;
pub mod lifecycle;
pub mod limits;
pub mod model;
pub mod net;
pub mod policy;
pub mod session;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod tls;
