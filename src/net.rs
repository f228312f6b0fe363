//! Connections: accepts sockets and passes their requests to `http`.
//!
//! - `bind` binds the addresses of a listener: TCP, and Unix sockets with their files (`socket_file`).
//! - `passed_sockets` takes the sockets that systemd has bound instead.
//! - `listener` accepts connections (`peer_stream`), each with a permit.
//! - `admission` reads the PROXY protocol (`proxy_protocol`) and enforces the limits per client on
//!   connections (`limits::client_concurrency`) and HTTP/2 streams (`limits::http2_streams`).
//! - `tls_handshake` opens the TLS of a connection, which `tls_stream` then is.
//! - `connection` serves HTTP/1.1 (`http1`) or HTTP/2 (`http2`).
//! - `timeout_stream` bounds every wait on a socket. `request_activity` reports which requests wait,
//!   `request_boundary` whether a part of a request was read, `peer_end` that the client has ended.
//! - `routing` has the trusted proxies and base URLs, which a reload replaces at once.
//! - `client_ip` finds the client of a request in the header that `forwarded` parses.
//! - `proxy_detector` warns about proxies that are not configured as trusted: at the header that they
//!   send, or if all requests come from a few private addresses.

pub mod admission;
pub mod bind;
pub mod client_ip;
pub mod connection;
pub mod forwarded;
pub mod http1;
pub mod http2;
pub mod listener;
pub mod passed_sockets;
pub mod peer_end;
pub mod peer_stream;
pub mod proxy_detector;
pub mod proxy_protocol;
pub mod request_activity;
pub mod request_boundary;
pub mod routing;
pub mod socket_file;
pub mod timeout_stream;
pub mod tls_handshake;
pub mod tls_stream;
