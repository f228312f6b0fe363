//! The checks of the fuzz targets: one module per parser of bytes from outside, and one for the
//! memory store.
//!
//! Each module has a function `check`, which panics if its input violates a property. A target in
//! `fuzz_targets/` passes the bytes of libFuzzer to it. No check reads the time or a random number,
//! so an input always has the same result.

#![forbid(unsafe_code)]

pub mod config;
pub mod entity_tags;
pub mod forwarded;
pub mod introspection;
pub mod json_body;
pub mod printable;
pub mod proxy_protocol;
pub mod route;
pub mod script_reply;
pub mod store_model;
pub mod whoami;

mod input;
mod ready;
mod verifier_body;
