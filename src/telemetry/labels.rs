//! The values of metric labels: closed sets, so that no client can make a series.

use crate::model::label::label;

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
    /// A phase of the process.
    Phase {
        /// Not ready yet: the store was not reached, or not found fit.
        Starting = "starting",
        /// Ready.
        Serving = "serving",
        /// Told to go, and still accepting connections.
        ShuttingDown = "shutting_down",
        /// No longer accepting; requests under way end.
        Draining = "draining",
    }
}

label! {
    /// What became of a look at the configuration.
    ReloadOutcome {
        /// What may change while it runs was changed.
        Applied = "applied",
        /// Something is wrong with it; the old one is kept.
        Refused = "refused",
    }
}

label! {
    /// What became of a batch of spans.
    ExportOutcome {
        /// The collector took it.
        Exported = "exported",
        /// The collector did not, and the spans are lost.
        Lost = "lost",
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
        CircuitOpen = "circuit_open",
    }
}
