//! HTTP: turns requests into use cases, and results into responses.
//!
//! `service` is the pipeline, from top to bottom; the other files are its steps. Each dialect is
//! one file. Nothing here knows which store is in use.

pub mod body;
pub mod context;
pub mod error;
pub mod etag;
mod framing;
mod host;
pub mod json;
pub mod msc4108;
pub mod msc4388;
pub mod probe;
pub mod readiness_path;
mod recorder;
pub mod request_id;
pub mod response;
pub mod route;
pub mod service;
