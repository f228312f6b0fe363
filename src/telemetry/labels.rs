//! The values of metric labels: closed sets, so that a client cannot create a time series.

mod waits;

pub use waits::{HoldEnd, WaitOutcome};

use crate::model::label::label;

label! {
    /// The template of a path, without the prefix of its API.
    RouteLabel {
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
    MethodLabel {
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
    /// A check of Redis. All but `Write` have a name in `store.redis.ignore_checks`.
    StoreCheck {
        /// The version.
        Version = "version",
        /// The eviction policy.
        Eviction = "eviction",
        /// `maxmemory`.
        Memory = "memory",
        /// The permissions.
        Acl = "acl",
        /// The round trip.
        Latency = "latency",
        /// The replicas of each primary.
        Replicas = "replicas",
        /// The write probe.
        Write = "write",
    }
}

label! {
    /// The outcome of a read.
    ReadOutcome {
        /// A payload.
        Found = "found",
        /// The session is in the state that the client named.
        Unchanged = "unchanged",
        /// The session does not exist, or no longer.
        Gone = "gone",
    }
}

label! {
    /// How a proxy changed an ETag on its way to a client and back.
    EtagForm {
        /// `W/` was prepended: it became weak.
        Weak = "weak",
        /// Its quotes were removed.
        Unquoted = "unquoted",
        /// A gzip encoder appended its name.
        Gzip = "gzip",
        /// A Brotli encoder appended its name.
        Br = "br",
        /// A Zstandard encoder appended its name.
        Zstd = "zstd",
        /// A deflate encoder appended its name.
        Deflate = "deflate",
    }
}

label! {
    /// The outcome of a write.
    WriteOutcome {
        /// Stored.
        Written = "written",
        /// Recognised as a retry of a write that had already happened, or that changes nothing.
        Retried = "retried",
        /// Answered from the record of its transaction id.
        Replayed = "replayed",
        /// Rejected: the sequence token is not the current one.
        Conflict = "conflict",
    }
}

label! {
    /// A call to the store.
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
    /// The outcome of a call to the store.
    OperationOutcome {
        /// The store answered.
        Ok = "ok",
        /// There is no connection, or the store cannot serve for now.
        Unavailable = "unavailable",
        /// The store rejects the call until an operator changes something.
        Rejected = "rejected",
        /// There was no reply within the deadline.
        Timeout = "timeout",
        /// The reply does not match the call.
        BadReply = "bad_reply",
    }
}

label! {
    /// A wait for a client that has a timeout.
    TimeoutKind {
        /// The rest of a request's head, after its first byte.
        Header = "header",
        /// The next request on a connection.
        Idle = "idle",
        /// A request's body.
        Body = "body",
        /// A request from its head to its response.
        Request = "request",
        /// Sending a response to a client that does not read it.
        Send = "send",
        /// A whole HTTP/2 stream: its client gave the response no flow-control window.
        Stream = "stream",
        /// The PROXY protocol header.
        ProxyHeader = "proxy_header",
        /// The TLS handshake.
        TlsHandshake = "tls_handshake",
    }
}

label! {
    /// Why a connection was closed or a stream refused, apart from timeouts.
    ConnectionRefusal {
        /// The client has `http.max_connections_per_client` connections open.
        PerClient = "per_client",
        /// The connection does not begin with a PROXY protocol header (`http.proxy_protocol`).
        ProxyHeader = "proxy_header",
        /// The peer is not in `http.trusted_proxies`; with `http.proxy_protocol` only those may
        /// connect.
        UntrustedPeer = "untrusted_peer",
        /// The client reset too many HTTP/2 streams, caused the server to reset them, or sent too
        /// many HTTP/2 frames without requests.
        Http2Flood = "http2_flood",
        /// An HTTP/2 stream was refused: its client has `http.max_connections_per_client` streams
        /// open, or all clients have `http.max_connections`.
        Http2Streams = "http2_streams",
        /// The peer speaks TLS to `http.listen`, which does not.
        Tls = "tls",
        /// The peer does not speak TLS to `http.listen`, which requires it.
        NoTls = "no_tls",
        /// The TLS handshake failed: the peer rejects the certificate, or the two support no common
        /// version, cipher or ALPN protocol.
        TlsHandshake = "tls_handshake",
        /// The peer speaks HTTP/2 without TLS, and `http.h2c` is off.
        Http2Off = "http2_off",
        /// A request head has more than 16 KiB or 100 header lines; the response is 431.
        HeadTooLarge = "head_too_large",
        /// A request head is not valid HTTP/1; the response is 400.
        MalformedHead = "malformed_head",
    }
}

label! {
    /// A phase of the process.
    Phase {
        /// Unready: the store has not been reached, or has not passed its start-up checks.
        Starting = "starting",
        /// Ready: requests are served.
        Serving = "serving",
        /// After SIGTERM: unready, but still accepting connections.
        ShuttingDown = "shutting_down",
        /// No longer accepting connections; requests in flight may finish.
        Draining = "draining",
    }
}

label! {
    /// The outcome of a reload of the configuration or of the TLS certificate.
    ReloadOutcome {
        /// The reloadable keys, or the certificate, were applied.
        Applied = "applied",
        /// The new configuration or certificate is invalid; the old one stays in use.
        Refused = "refused",
    }
}

label! {
    /// The outcome of the export of a batch of spans, or of a push of metrics.
    ExportOutcome {
        /// The collector accepted all of it.
        Exported = "exported",
        /// The collector did not accept all of it; it is not sent again.
        Lost = "lost",
    }
}

label! {
    /// The outcome of an access-token check.
    AuthOutcome {
        /// The token belongs to a user who may create sessions.
        Accepted = "accepted",
        /// The token is unknown, expired or revoked.
        Refused = "refused",
        /// The token is valid, but its user may not create sessions.
        Forbidden = "forbidden",
        /// The connection to the token verifier failed.
        Unreachable = "unreachable",
        /// There was no complete response within the deadline.
        Timeout = "timeout",
        /// The token verifier responded with 429 or 5xx.
        Unavailable = "unavailable",
        /// The response of the token verifier was malformed.
        BadReply = "bad_reply",
        /// Not checked: too many checks were in flight.
        Busy = "busy",
        /// Not checked: the circuit breaker was open.
        CircuitOpen = "circuit_open",
    }
}

label! {
    /// The state of a client connection.
    ConnectionState {
        /// A request is in flight.
        Active = "active",
        /// No request is in flight.
        Idle = "idle",
    }
}

label! {
    /// The number of a write to a session. A sign-in makes about eight writes; later ones are not
    /// counted by their number.
    WriteNumber {
        /// The first write.
        First = "1",
        /// The second write.
        Second = "2",
        /// The third write.
        Third = "3",
        /// The fourth write.
        Fourth = "4",
        /// The fifth write.
        Fifth = "5",
        /// The sixth write.
        Sixth = "6",
        /// The seventh write.
        Seventh = "7",
        /// The eighth write.
        Eighth = "8",
    }
}

impl WriteNumber {
    /// Returns the number of a session's `writes`-th write, or `None` if it is 0 or above 8.
    #[must_use]
    pub fn new(writes: u64) -> Option<Self> {
        let index = usize::try_from(writes).ok()?.checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}
