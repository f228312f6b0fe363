//! Bytes and connections: sockets in, requests out to `http`.
//!
//! `listener` accepts, `connection` speaks HTTP/1.1 or HTTP/2 on one socket, `guard` ends every wait
//! on it, `client_ip` says whose request it is by the header that `forwarded` reads.

pub mod client_ip;
pub mod connection;
pub mod forwarded;
pub mod guard;
pub mod listener;
