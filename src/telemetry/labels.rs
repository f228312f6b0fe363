//! The values of metric labels: closed sets, so that no client can make a series.

/// Declares an enum whose variants are the values of one label.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of `index`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value as it stands in the metric.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The value's place in `ALL`.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

pub(super) use label;

label! {
    /// The API that a path belongs to.
    Api {
        /// MSC4388 under its unstable prefix.
        Msc4388 = "msc4388",
        /// MSC4388 under the stable prefix.
        V1 = "v1",
        /// MSC4108 of 2024.
        Msc4108 = "msc4108",
        /// No API of ours.
        None = "none",
    }
}

impl Api {
    /// Those that have sessions: the first of `ALL`.
    pub const WITH_SESSIONS: &'static [Self] = &[Self::Msc4388, Self::V1, Self::Msc4108];
}

label! {
    /// The template of a path, without its prefix.
    Route {
        /// Discovery and creation.
        Rendezvous = "/rendezvous",
        /// One session.
        Session = "/rendezvous/{id}",
        /// A write with a transaction id.
        Txn = "/rendezvous/{id}/{txnId}",
        /// Any other path.
        Other = "other",
    }
}

label! {
    /// The method of a request.
    Method {
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// DELETE
        Delete = "DELETE",
        /// OPTIONS
        Options = "OPTIONS",
        /// Any other method.
        Other = "other",
    }
}

label! {
    /// What a read found.
    ReadOutcome {
        /// A payload.
        Found = "found",
        /// The state that the client named.
        Unchanged = "unchanged",
        /// No such session, or no longer.
        Gone = "gone",
    }
}

label! {
    /// What was done to an ETag on its way to a client and back.
    EtagForm {
        /// It became weak: `W/` before it.
        Weak = "weak",
        /// It lost its quotes.
        Unquoted = "unquoted",
        /// What compresses by gzip appended its name.
        Gzip = "gzip",
        /// The same of Brotli.
        Br = "br",
        /// The same of Zstandard.
        Zstd = "zstd",
        /// The same of deflate.
        Deflate = "deflate",
    }
}

label! {
    /// What became of a write.
    WriteOutcome {
        /// Stored.
        Written = "written",
        /// Recognised as one that had happened, or that changed nothing.
        Retried = "retried",
        /// Answered from the record of its transaction id.
        Replayed = "replayed",
        /// Refused: the token was stale.
        Conflict = "conflict",
    }
}

label! {
    /// A call of the store.
    Operation {
        /// Create a session.
        Create = "create",
        /// Read a session.
        Read = "read",
        /// Write a session.
        Write = "write",
        /// Delete a session.
        Delete = "delete",
        /// Count the live sessions.
        Live = "live",
    }
}

label! {
    /// How a call of the store ended.
    OperationOutcome {
        /// Answered.
        Ok = "ok",
        /// Not connected, or refused.
        Unavailable = "unavailable",
        /// Not answered within the deadline.
        Timeout = "timeout",
        /// Answered, but not to this call.
        BadReply = "bad_reply",
    }
}

label! {
    /// Why a request was refused.
    Rejection {
        /// No such path, or a dialect that is off.
        Unrecognized = "unrecognized",
        /// The request's `Host` is none of those in `auth.homeserver`.
        UnknownHost = "unknown_host",
        /// A known path with another method.
        Method = "method",
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
        Auth = "auth",
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
        /// The session was written `session.max_writes` times.
        WritesFull = "writes_full",
        /// The session has recorded `session.max_txn_ids` transaction ids.
        TxnsFull = "txns_full",
        /// The store could not answer.
        Store = "store",
        /// The request's whole deadline ran out.
        RequestTimeout = "request_timeout",
        /// A panic.
        Internal = "internal",
    }
}

label! {
    /// A wait that ended by its deadline.
    Wait {
        /// A request's head, once begun.
        Header = "header",
        /// The next request on a connection.
        Idle = "idle",
        /// A request's body.
        Body = "body",
        /// A request as a whole.
        Request = "request",
        /// A client that does not read its reply.
        Send = "send",
        /// A stream of HTTP/2 as a whole: its client gave the reply no window.
        Stream = "stream",
        /// The PROXY protocol's header.
        ProxyHeader = "proxy_header",
    }
}

label! {
    /// Why a connection was closed, other than by a deadline.
    ConnectionRefusal {
        /// Its client has `http.max_connections_per_client` open.
        PerClient = "per_client",
        /// It does not begin with the PROXY protocol's header, as it must.
        ProxyHeader = "proxy_header",
        /// It comes from where no trusted proxy is, and only those may come.
        UntrustedPeer = "untrusted_peer",
        /// Its client reset too many streams of HTTP/2, or made us reset them.
        Http2Flood = "http2_flood",
    }
}

label! {
    /// How a question about an access token ended.
    AuthOutcome {
        /// It is a user's who may create sessions.
        Accepted = "accepted",
        /// It is nobody's, or no longer.
        Refused = "refused",
        /// It is somebody's who may not create sessions.
        Forbidden = "forbidden",
        /// No connection, or one that broke.
        Unreachable = "unreachable",
        /// No whole answer within the deadline.
        Timeout = "timeout",
        /// Answered with 429 or 5xx.
        Unavailable = "unavailable",
        /// Answered with what makes no sense.
        BadReply = "bad_reply",
        /// Not asked: too many questions were under way.
        Busy = "busy",
        /// Not asked: there had been no answer before.
        Suspended = "suspended",
    }
}
