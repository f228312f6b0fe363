//! Clocks: a device compares the session's expiry with its own.

use crate::doctor::check::{CheckId, CheckOutcome, fail, needs, warn};
use crate::doctor::check_context::{CheckContext, single_header};
use crate::doctor::exchange::ProbeResponse;
use httpdate::parse_http_date;
use hyper::header::{DATE, EXPIRES, HeaderName, LAST_MODIFIED};
use std::time::{Duration, SystemTime};

/// A difference that no sign-in notices: dates have whole seconds, and a response takes time.
pub(super) const TOLERANCE: Duration = Duration::from_secs(5);

/// The shortest lifetime without a warning at the start of the server (R0.23).
const MIN_LIFETIME: Duration = Duration::from_mins(2);

/// Compares this machine's clock with the dates of the creation.
pub(super) fn clock(context: &CheckContext) -> CheckOutcome {
    const FIX: &str = "set the clocks by NTP: the server's, Redis' and this machine's";
    let Some(session) = &context.etag_session else {
        return Err(needs(CheckId::Create));
    };
    let here = session.created_at;
    let date = |name: &HeaderName| date(&session.created, name);
    let expires = date(&EXPIRES).ok_or_else(|| {
        fail(
            "POST: the response has no Expires",
            "apps (matrix-sdk) end the sign-in without it",
            "let the proxy forward Expires",
        )
    })?;
    for (name, header) in [("Date", &DATE), ("Last-Modified", &LAST_MODIFIED)] {
        let Some(there) = date(header) else { continue };
        let difference = difference(here, there);
        if difference > TOLERANCE {
            let seconds = difference.as_secs();
            let what = format!("POST: {name} differs from this machine's clock by {seconds} s");
            let why = "web clients compare Expires with their own clock: they show \"expired\" too early, \
                       or too late";
            return Err(fail(what, why, FIX));
        }
    }
    let created = date(&LAST_MODIFIED).unwrap_or(here);
    let lifetime = expires.duration_since(created).unwrap_or_default();
    if lifetime < MIN_LIFETIME {
        return Err(warn(
            format!("POST: the session lasts {} s", lifetime.as_secs()),
            "a sign-in with a consent in the browser may take longer",
            if session.created.is_ours {
                "set session.ttl to 120s or more"
            } else {
                "let matrix-rendezvous serve the sessions: Synapse's own end after a minute"
            },
        ));
    }
    Ok(format!(
        "the clocks agree; a session lasts {} s",
        lifetime.as_secs()
    ))
}

fn date(response: &ProbeResponse, name: &HeaderName) -> Option<SystemTime> {
    parse_http_date(&single_header(response, name)?).ok()
}

pub(super) fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|error| error.duration())
}
