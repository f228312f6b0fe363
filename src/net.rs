//! Bytes and connections: sockets in, requests out to `http`.
//!
//! `listener` accepts, `arrival` says whose a connection is (`proxy_protocol`) and whether it may stay (`policy::places`),
//! `connection` speaks HTTP/1.1 or HTTP/2 (`http2`) on it, `guard` ends every wait on its socket, `client_ip` says whose
//! request it is by the header that `forwarded` reads, and `one_client` notices when it is everybody's.

pub mod admission;
pub mod client_ip;
pub mod connection;
pub mod forwarded;
pub mod http2;
pub mod listener;
pub mod proxy_detector;
pub mod proxy_protocol;
pub mod timeout_stream;
