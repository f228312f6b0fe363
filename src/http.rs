//! HTTP: requests into use cases, outcomes into replies.
//!
//! `service` is the pipeline from top to bottom; the other files are its steps. One dialect is one
//! file. Nothing here knows which store there is.

pub mod body;
pub mod context;
pub mod error;
pub mod etag;
mod host;
pub mod json;
pub mod msc4108;
pub mod msc4388;
mod recorder;
pub mod request_id;
pub mod response;
pub mod route;
pub mod service;
