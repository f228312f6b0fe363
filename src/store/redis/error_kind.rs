//! Classifies the errors of fred, and the error replies of Redis that it passes on. No other
//! code decides by their text; `error_text` makes it fit for the log.
//!
//! The class decides whether a call is retried, whether a request may wait for the store (R0.3),
//! and whether an earlier try may have taken effect.

use crate::store::StoreError;
use crate::store::redis::error_text::describe;
use fred::error::{Error, ErrorKind};

/// The kind of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// The connection broke, or its reply could not be read. The script may have run.
    ConnectionLost,
    /// No reply arrived in time. The script may have run, or may run later.
    NoReply,
    /// The call was not sent: there is no connection, no free place in the queue, or no route.
    NotSent,
    /// Another node has the slot: `MOVED` or `ASK`. The script did not run.
    Redirected,
    /// Redis runs no scripts for now, for example while it is loading. The script did not run.
    NotReady,
    /// Redis does not have the script in its cache: `NOSCRIPT`. `EVAL` runs and caches it.
    UnknownScript,
    /// Redis rejects the call until an operator changes something: `OOM`, `MISCONF`, `NOPERM`, or
    /// an error in a script.
    Rejected,
}

impl ErrorClass {
    /// Whether the script may have run although the call failed.
    pub(super) const fn may_have_executed(self) -> bool {
        match self {
            Self::ConnectionLost | Self::NoReply => true,
            Self::NotSent
            | Self::Redirected
            | Self::NotReady
            | Self::UnknownScript
            | Self::Rejected => false,
        }
    }

    /// The error of a call that failed with this class and is not retried.
    pub(super) fn into_store_error(self, error: &Error) -> StoreError {
        match self {
            Self::NoReply => StoreError::Timeout,
            Self::ConnectionLost => StoreError::ConnectionLost(describe(error)),
            Self::NotSent | Self::Redirected | Self::NotReady => {
                StoreError::Unavailable(describe(error))
            }
            // Redis runs EVAL without a cache, so NOSCRIPT after an EVAL is as final as any error.
            Self::UnknownScript | Self::Rejected => StoreError::Rejected(describe(error)),
        }
    }
}

/// Returns the class of an error.
pub(super) fn classify(error: &Error) -> ErrorClass {
    match error.kind() {
        ErrorKind::Timeout => return ErrorClass::NoReply,
        ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Protocol => {
            return ErrorClass::ConnectionLost;
        }
        // fred turns a reply into this kind: "ERR This instance has cluster support disabled". It
        // says which server answered, and not that the call is wrong.
        ErrorKind::Config => return ErrorClass::NotSent,
        _ => {}
    }
    match reply_code(error.details()) {
        Some("MOVED" | "ASK") => ErrorClass::Redirected,
        Some("NOSCRIPT") => ErrorClass::UnknownScript,
        // CLUSTERDOWN and TRYAGAIN: slots move or have no primary. READONLY, MASTERDOWN and
        // UNBLOCKED: a primary was demoted. NOAUTH and WRONGPASS: a password is being changed.
        Some(
            "LOADING" | "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "NOREPLICAS"
            | "NOAUTH" | "WRONGPASS" | "UNBLOCKED",
        ) => ErrorClass::NotReady,
        Some(_) if is_connection_limit(error) => ErrorClass::NotReady,
        Some(_) => ErrorClass::Rejected,
        None => classify_client_error(error.kind()),
    }
}

/// The class of an error that fred made itself.
fn classify_client_error(kind: &ErrorKind) -> ErrorClass {
    match kind {
        // "Too many failed write attempts": fred also returns it for a call that was sent, lost
        // with its connection, and sent no second time.
        ErrorKind::Unknown => ErrorClass::ConnectionLost,
        // A call that no server could understand. No retry changes it.
        ErrorKind::InvalidArgument
        | ErrorKind::InvalidCommand
        | ErrorKind::NotFound
        | ErrorKind::Parse
        | ErrorKind::Url => ErrorClass::Rejected,
        // No connection, no node, no free place in the queue ("Failed to route command").
        _ => ErrorClass::NotSent,
    }
}

/// Whether an error, as `error_text::describe` returns it, is a reply of Redis. Else there was none.
pub(super) fn is_refusal(described: &str) -> bool {
    reply_code(described).is_some()
}

/// Errors that stay until an operator changes a permission. They come from the ACL, from a script
/// on Redis 7.0, from a script on later releases and Valkey, and from a managed Redis that has
/// removed a command.
const PERMISSION_ERRORS: [&str; 7] = [
    "NOPERM",
    "The user executing the script can't",
    "ACL failure in script",
    "has no permissions",
    "ERR unknown command",
    "Unknown Redis command called from script",
    "Unknown command called from script",
];

/// Whether Redis denies a command or a key.
pub(super) fn is_permission_error(error: &str) -> bool {
    PERMISSION_ERRORS
        .iter()
        .any(|permission_error| error.contains(permission_error))
}

/// The code of an error reply: its first word, which is in capitals. fred's own messages have none.
fn reply_code(details: &str) -> Option<&str> {
    let word = details.split_whitespace().next()?;
    let is_code = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some(word)
}

/// Redis sends this reply on a connection that it then closes (`maxclients`).
fn is_connection_limit(error: &Error) -> bool {
    error.details().starts_with("ERR max number of clients")
}

#[cfg(test)]
mod tests {
    use super::{ErrorClass, classify};
    use crate::store::StoreError;
    use fred::error::{Error, ErrorKind};

    /// Kinds as fred assigns them to error replies.
    const REPLIES: [(ErrorKind, &str, ErrorClass); 17] = {
        use ErrorClass as C;
        use ErrorKind as K;
        [
            (
                K::Unknown,
                "LOADING Redis is loading the dataset in memory",
                C::NotReady,
            ),
            (
                K::Unknown,
                "READONLY You can't write against a read only replica. script: 1, on @user_script:1.",
                C::NotReady,
            ),
            (
                K::Unknown,
                "MASTERDOWN Link with MASTER is down",
                C::NotReady,
            ),
            (K::Cluster, "CLUSTERDOWN Hash slot not served", C::NotReady),
            (
                K::Unknown,
                "TRYAGAIN Multiple keys request during rehashing of slot",
                C::NotReady,
            ),
            (
                K::Unknown,
                "NOREPLICAS Not enough good replicas to write.",
                C::NotReady,
            ),
            (K::Auth, "NOAUTH Authentication required.", C::NotReady),
            (
                K::Auth,
                "WRONGPASS invalid username-password pair",
                C::NotReady,
            ),
            (K::Unknown, "ERR max number of clients reached", C::NotReady),
            (K::Cluster, "MOVED 1 127.0.0.1:7001", C::Redirected),
            (K::Cluster, "ASK 1 127.0.0.1:7001", C::Redirected),
            (
                K::Unknown,
                "NOSCRIPT No matching script. Please use EVAL.",
                C::UnknownScript,
            ),
            (
                K::Unknown,
                "OOM command not allowed when used memory > 'maxmemory'.",
                C::Rejected,
            ),
            (
                K::Unknown,
                "MISCONF Redis is configured to save RDB snapshots",
                C::Rejected,
            ),
            (
                K::Unknown,
                "NOPERM User default has no permissions to run the 'evalsha' command",
                C::Rejected,
            ),
            (
                K::InvalidArgument,
                "WRONGTYPE Operation against a key",
                C::Rejected,
            ),
            (K::Unknown, "ERR Error running script", C::Rejected),
        ]
    };

    const CLIENT_ERRORS: [(ErrorKind, &str, ErrorClass); 8] = {
        use ErrorClass as C;
        use ErrorKind as K;
        [
            (K::Timeout, "Request timed out.", C::NoReply),
            (K::IO, "Connection Closed", C::ConnectionLost),
            (K::Canceled, "Canceled.", C::ConnectionLost),
            (
                K::Unknown,
                "Too many failed write attempts.",
                C::ConnectionLost,
            ),
            (K::Routing, "Failed to route command.", C::NotSent),
            (
                K::Cluster,
                "Failed connecting to any cluster node.",
                C::NotSent,
            ),
            (
                K::Backpressure,
                "Max command queue length exceeded.",
                C::NotSent,
            ),
            (
                K::Config,
                "ERR This instance has cluster support disabled",
                C::NotSent,
            ),
        ]
    };

    #[test]
    fn every_known_error_has_its_class() {
        for (kind, text, class) in REPLIES.into_iter().chain(CLIENT_ERRORS) {
            assert_eq!(classify(&Error::new(kind, text)), class, "{text}");
        }
    }

    // R0.3
    #[test]
    fn only_rejections_are_final() {
        for (kind, text, class) in REPLIES.into_iter().chain(CLIENT_ERRORS) {
            let error = class.into_store_error(&Error::new(kind, text));
            let is_final = matches!(class, ErrorClass::Rejected | ErrorClass::UnknownScript);
            assert_eq!(error.is_transient(), !is_final, "{text}");
            assert_eq!(matches!(error, StoreError::Rejected(_)), is_final, "{text}");
        }
    }
}
