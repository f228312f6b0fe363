//! Translates a response of either dialect into an outcome.

use super::{Operation, Outcome};
use crate::dialect::{Dialect, Response};

/// What the response to a request says about the session.
pub fn outcome_of(dialect: Dialect, operation: &Operation, reply: &Response) -> Outcome {
    match reply.status {
        404 => Outcome::Gone,
        409 => Outcome::Conflict { current: None },
        412 => Outcome::Conflict {
            current: reply.etag.as_deref().map(bare),
        },
        status @ 400..500 => match status {
            // The body did not arrive in time, so the request had no effect.
            400 | 403 | 408 | 413 | 429 => Outcome::Rejected,
            _ => Outcome::Malformed { status },
        },
        500.. => Outcome::Unknown,
        status => success(dialect, operation, reply).unwrap_or(Outcome::Malformed { status }),
    }
}

fn success(dialect: Dialect, operation: &Operation, reply: &Response) -> Option<Outcome> {
    match operation {
        Operation::Create { .. } => dialect.created(reply).map(|session| Outcome::Created {
            token: bare(&session.token),
        }),
        Operation::Read { known } => match dialect.polled(reply, "").ok()? {
            Some(update) => Some(Outcome::Found {
                token: bare(&update.token),
                data: update.data,
            }),
            None => known.as_ref().map(|_| Outcome::Unchanged),
        },
        Operation::Write { .. } => dialect.written(reply).map(|token| Outcome::Written {
            token: bare(&token),
        }),
        Operation::Delete => matches!(
            (dialect, reply.status),
            (Dialect::Json | Dialect::StableJson, 200) | (Dialect::Etag, 204)
        )
        .then_some(Outcome::Deleted),
    }
}

/// The token of an entity tag. A token of the JSON dialect is returned as it is.
pub fn bare(token: &str) -> String {
    token.trim_matches('"').to_owned()
}
