//! matrix-rendezvous: the mailbox that two devices of one user exchange messages through when a QR code
//! signs the new device in (MSC4388). Stateless workers; sessions in Redis, or in memory for one replica.
//!
//! ```text
//! bytes ─► net ─► http ─► policy ─► session ─► store ─► { memory | redis }
//!            └── model, config, telemetry, clock, tls, http_client, limits, lifecycle, json, file (leaves for all) ──┘
//! ```
//!
//! An import follows an arrow or goes to a leaf, never back, and there is no cycle between files or
//! modules; `tests/it/architecture.rs` enforces both. Beside the path of a request are `cli`, `healthcheck`,
//! `doctor` (diagnosis), `admin` (the operators' listener), `startup`, `open_files` and `app`, which alone names every concrete type.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod file;
pub mod healthcheck;
pub mod http;
pub mod http_client;
pub mod json;
pub mod lifecycle;
pub mod limits;
pub mod model;
pub mod net;
pub mod open_files;
pub mod policy;
pub mod session;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod tls;
