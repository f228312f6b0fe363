//! The reasons of `rendezvous_rejections_total`. Alerts, dashboards and logs use the same names.

use crate::model::label::label;
use crate::model::{DenyList, Limit};

label! {
    /// Why a request was rejected.
    Rejection {
        /// The path is unknown.
        Unrecognized = "unrecognized",
        /// The dialect of the path is off: `mode`, `msc4108.enabled` or `api.stable`.
        DialectDisabled = "dialect_disabled",
        /// The request is HTTP/1.1 without `Host`, or with two.
        InvalidHost = "invalid_host",
        /// The request has a transfer coding other than `chunked`, once, or trailers.
        InvalidTransferCoding = "invalid_transfer_coding",
        /// The request's `Host` is not in any entry of `auth.homeserver`.
        UnknownHost = "unknown_host",
        /// The path does not support the method.
        MethodNotAllowed = "method_not_allowed",
        /// The session does not exist, or no longer.
        NotFound = "not_found",
        /// The sequence token is not the current one.
        Conflict = "conflict",
        /// The body is not JSON.
        NotJson = "not_json",
        /// The body is JSON, but not an object, or an object with a duplicate key.
        BadJson = "bad_json",
        /// A required field is missing.
        MissingParam = "missing_param",
        /// A field or a path segment is malformed.
        InvalidParam = "invalid_param",
        /// The payload or the body is too large.
        TooLarge = "too_large",
        /// The body did not arrive within `http.body_timeout`.
        BodyTimeout = "body_timeout",
        /// A browser requested the session as a document or a subresource.
        FetchMetadata = "fetch_metadata",
        /// The request has no access token, and only users may create sessions.
        NoToken = "no_token",
        /// The homeserver rejected the access token.
        TokenRefused = "token_refused",
        /// The access token is valid, but its user may not create sessions.
        TokenForbidden = "token_forbidden",
        /// The access token could not be checked.
        AuthUnavailable = "auth_unavailable",
        /// `maintenance` is on: no session is created.
        Maintenance = "maintenance",
        /// Too many requests on one session are in flight.
        SessionBusy = "session_busy",
        /// Too many requests of one client, or of one IPv6 /48, are in flight.
        ClientBusy = "client_busy",
        /// The session was written `session.max_writes` times.
        WritesFull = "writes_full",
        /// The session has recorded `session.max_txn_ids` transaction ids.
        TxnsFull = "txns_full",
        /// The store was unavailable, timed out or sent an invalid reply.
        StoreUnavailable = "store_unavailable",
        /// The request took longer than `http.request_timeout`.
        RequestTimeout = "request_timeout",
        /// The handler panicked.
        Panic = "panic",
    }
    with {
        /// The client's address is on a deny list.
        Denied(DenyList),
        /// A limit is exceeded.
        Limit(Limit),
    }
}

impl Rejection {
    /// Whether the rejection depends on how much a client, a network, a user or a session requests,
    /// or on the client's address.
    ///
    /// The rejection log samples these: a flood of rejections must not become a flood of lines. The
    /// access log has one line for each of the others.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        match self {
            Self::Denied(_)
            | Self::Limit(_)
            | Self::SessionBusy
            | Self::ClientBusy
            | Self::WritesFull
            | Self::TxnsFull => true,
            Self::Unrecognized
            | Self::DialectDisabled
            | Self::InvalidHost
            | Self::InvalidTransferCoding
            | Self::UnknownHost
            | Self::MethodNotAllowed
            | Self::NotFound
            | Self::Conflict
            | Self::NotJson
            | Self::BadJson
            | Self::MissingParam
            | Self::InvalidParam
            | Self::TooLarge
            | Self::BodyTimeout
            | Self::FetchMetadata
            | Self::NoToken
            | Self::TokenRefused
            | Self::TokenForbidden
            | Self::AuthUnavailable
            | Self::Maintenance
            | Self::StoreUnavailable
            | Self::RequestTimeout
            | Self::Panic => false,
        }
    }
}
