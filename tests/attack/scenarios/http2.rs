//! The scenarios of HTTP/2 without TLS.

use super::{FLOOD, FLOODED, Scenario};
use crate::attacks::Attack;
use crate::http2_abuse::Http2Abuse;

/// Without a limit of streams a worker would hold 360 connections of 1.1 MB.
pub const UNREAD: Scenario = Scenario {
    key: "k",
    name: "(k) HTTP/2, 4 addresses leave all responses unread",
    attack: Attack::Http2(Http2Abuse::Unread(4)),
    // All connections are open by then.
    head_start: 5,
    min_metrics: &[(
        r#"rendezvous_connections_refused_total{reason="http2_streams"}"#,
        FLOOD,
    )],
    ..FLOODED
};

/// Each connection ends as soon as it has used up its frames, and the attacker opens another.
pub const FRAMES: Scenario = Scenario {
    key: "l",
    name: "(l) HTTP/2, frames without requests, one address",
    attack: Attack::Http2(Http2Abuse::Frames),
    min_requests: 1_000,
    min_metrics: &[(
        r#"rendezvous_connections_refused_total{reason="http2_flood"}"#,
        1_000,
    )],
    ..FLOODED
};
