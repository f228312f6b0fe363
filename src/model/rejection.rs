//! The reasons of `rendezvous_rejections_total`, which alerts, dashboards and the log of refusals share.

use crate::model::label::label;

label! {
    /// Why a request was refused.
    Rejection {
        /// No such path, or a dialect that is off.
        Unrecognized = "unrecognized",
        /// The request's `Host` is none of those in `auth.homeserver`.
        UnknownHost = "unknown_host",
        /// A known path with another method.
        MethodNotAllowed = "method_not_allowed",
        /// No such session, or no longer.
        NotFound = "not_found",
        /// The token was stale.
        Conflict = "conflict",
        /// The body is no JSON.
        NotJson = "not_json",
        /// The body is JSON, but no object, or one with a key twice.
        BadJson = "bad_json",
        /// A field is missing.
        MissingParam = "missing_param",
        /// A field or a path segment is malformed.
        InvalidParam = "invalid_param",
        /// The payload or the body is too large.
        TooLarge = "too_large",
        /// The body did not arrive in time.
        BodyTimeout = "body_timeout",
        /// A browser asked for the session as a page or a subresource.
        FetchMetadata = "fetch_metadata",
        /// A creation without an access token.
        NoToken = "no_token",
        /// The access token is refused.
        TokenRefused = "token_refused",
        /// The access token is somebody's who may not create sessions.
        TokenForbidden = "token_forbidden",
        /// Nobody can say whose the access token is.
        AuthUnavailable = "auth_unavailable",
        /// `maintenance` is on: no session is created.
        Maintenance = "maintenance",
        /// `limits.deny.create`.
        DenyCreate = "deny_create",
        /// `limits.deny.requests`.
        DenyRequests = "deny_requests",
        /// `limits.create.client`.
        CreateClient = "create_client",
        /// `limits.create.network`.
        CreateNetwork = "create_network",
        /// `limits.create.user`.
        CreateUser = "create_user",
        /// `limits.requests.client`.
        RequestsClient = "requests_client",
        /// `limits.requests.network`.
        RequestsNetwork = "requests_network",
        /// `limits.requests.session`.
        RequestsSession = "requests_session",
        /// `session.max_live`.
        LiveTotal = "live_total",
        /// `limits.live.client`.
        LiveClient = "live_client",
        /// `limits.live.network`.
        LiveNetwork = "live_network",
        /// `limits.live.user`.
        LiveUser = "live_user",
        /// Requests on one session at a time.
        SessionBusy = "session_busy",
        /// Requests of one client, or of one IPv6 /48, at a time.
        ClientBusy = "client_busy",
        /// The session was written `session.max_writes` times.
        WritesFull = "writes_full",
        /// The session has recorded `session.max_txn_ids` transaction ids.
        TxnsFull = "txns_full",
        /// The store could not answer.
        StoreUnavailable = "store_unavailable",
        /// The request's whole deadline ran out.
        RequestTimeout = "request_timeout",
        /// A panic.
        Panic = "panic",
    }
}
