//! The certificates that the servers presented, as apps get them.

use crate::doctor::check::{CheckOutcome, Problem, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::peer_certificate::PeerCertificate;
use std::time::Duration;

/// A certificate of an automatic authority is renewed 30 days before its end; a week before, that
/// has failed for weeks.
const SOON: Duration = Duration::from_hours(24 * 7);

const DAY: u64 = 24 * 60 * 60;

/// Reports a certificate that expires soon. One that is not valid failed an earlier check.
pub(super) fn certificate(context: &CheckContext) -> CheckOutcome {
    let now = context.client.clock().time_of_day();
    let mut valid = Vec::new();
    for (host, certificate) in context.client.connector().certificates() {
        let PeerCertificate {
            not_after,
            protocol,
        } = certificate;
        let Some(end) = not_after else { continue };
        let left = end.duration_since(now).unwrap_or_default();
        let days = left.as_secs() / DAY;
        if left < SOON {
            return Err(warn(
                format!("{host}: {protocol}, the certificate is valid for {days} days"),
                "on the day it expires no client reaches the server",
                "renew it, and find out why that did not happen by itself",
            ));
        }
        valid.push(format!("{host}: {protocol}, {days} days"));
    }
    if valid.is_empty() {
        return Err(Problem::Skip("no TLS connection was opened".to_owned()));
    }
    Ok(valid.join("; "))
}
