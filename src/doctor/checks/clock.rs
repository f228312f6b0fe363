//! Clocks: a device compares the session's expiry with its own.

use crate::doctor::check::{CheckId, CheckOutcome, fail, needs, warn};
use crate::doctor::examination::{Examination, single_header};
use crate::doctor::exchange::ProbeResponse;
use httpdate::parse_http_date;
use hyper::header::{DATE, EXPIRES, HeaderName, LAST_MODIFIED};
use std::time::{Duration, SystemTime};

/// A difference that no sign-in notices: dates have whole seconds, and a response takes time.
const TOLERANCE: Duration = Duration::from_secs(5);

/// The least time that a sign-in needs. The default lifetime is 300 s, and a sign-in may take all of
/// it.
const MIN_LIFETIME: Duration = Duration::from_secs(100);

/// Compares this machine's clock with the dates of the creation.
pub(super) fn clock(exam: &Examination) -> CheckOutcome {
    const FIX: &str = "set the clocks by NTP: the server's, Redis' and this machine's";
    let Some(mailbox) = &exam.mailbox else {
        return Err(needs(CheckId::Create));
    };
    let here = mailbox.created_at;
    let date = |name: &HeaderName| date(&mailbox.created, name);
    let expires = date(&EXPIRES).ok_or_else(|| {
        fail(
            "POST: the response has no Expires",
            "apps (matrix-sdk) end the sign-in without it",
            "let the proxy forward Expires",
        )
    })?;
    let left = expires.duration_since(here).unwrap_or_default();
    if left < MIN_LIFETIME {
        return Err(fail(
            format!(
                "POST: Expires is {} s after this machine's clock; expected at least {} s",
                left.as_secs(),
                MIN_LIFETIME.as_secs()
            ),
            "web clients compare Expires with their own clock, and show \"expired\" at once",
            FIX,
        ));
    }
    for (name, header) in [("Date", &DATE), ("Last-Modified", &LAST_MODIFIED)] {
        let Some(there) = date(header) else { continue };
        let difference = difference(here, there);
        if difference > TOLERANCE {
            return Err(warn(
                format!(
                    "POST: {name} differs from this machine's clock by {} s",
                    difference.as_secs()
                ),
                "sessions seem to last longer or shorter to clients than they do",
                FIX,
            ));
        }
    }
    Ok(format!(
        "the clocks agree; a session lasts {} s",
        left.as_secs() + 1
    ))
}

fn date(response: &ProbeResponse, name: &HeaderName) -> Option<SystemTime> {
    parse_http_date(&single_header(response, name)?).ok()
}

fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|error| error.duration())
}
