//! A reply before it is HTTP: status, body, ETag, and whether the connection ends with it.

mod error_body;

use crate::http::error::ApiError;
use crate::http::request_id::X_REQUEST_ID;
use crate::model::Rejection;
use crate::model::SessionId;
use crate::store::Timestamps;
use bytes::Bytes;
use error_body::refusal;
use http_body_util::Full;
use httpdate::fmt_http_date;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES, HeaderMap, HeaderValue,
    LAST_MODIFIED, PRAGMA, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// One reply.
#[derive(Debug)]
pub struct ApiResponse {
    status: StatusCode,
    kind: Kind,
    /// In a box, since the JSON dialect has none.
    validators: Option<Box<Validators>>,
    /// The session that came to be.
    created: Option<SessionId>,
}

/// What tells a client of the ETag dialect which state it is told of (RFC 9110 §8.8), and until when.
#[derive(Debug)]
struct Validators {
    tag: HeaderValue,
    dates: Option<Timestamps>,
}

#[derive(Debug)]
enum Kind {
    Json(Vec<u8>),
    /// A payload as it is; or nothing, that is still called text, since there are proxies that take the
    /// ETag off a reply that has no type.
    Text(Bytes),
    /// Nothing, of no type.
    Empty,
    Preflight,
    Error(ApiError),
}

impl ApiResponse {
    /// 200 with a JSON body. `size` is about how long it will be.
    ///
    /// # Panics
    /// Never: what is serialised here are structs of strings and numbers.
    pub fn json(value: &impl Serialize, size: usize) -> Self {
        let mut body = Vec::with_capacity(size);
        serde_json::to_writer(&mut body, value).expect("strings and numbers");
        Self::raw_json(body)
    }

    /// 200 with a body that is JSON already.
    #[must_use]
    pub fn raw_json(body: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, Kind::Json(body))
    }

    /// `text/plain`.
    #[must_use]
    pub fn text(status: StatusCode, body: Bytes) -> Self {
        Self::new(status, Kind::Text(body))
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Kind::Empty)
    }

    fn new(status: StatusCode, kind: Kind) -> Self {
        Self {
            status,
            kind,
            validators: None,
            created: None,
        }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// With an ETag, and the headers that stand beside it where the session's dates are known.
    #[must_use]
    pub fn with_tag(self, tag: HeaderValue, dates: Option<Timestamps>) -> Self {
        let validators = Some(Box::new(Validators { tag, dates }));
        Self { validators, ..self }
    }

    /// Of a creation: of this session.
    #[must_use]
    pub fn with_created(self, id: SessionId) -> Self {
        let created = Some(id);
        Self { created, ..self }
    }

    /// 204 with what a browser may do from any page (Fetch, "CORS protocol").
    #[must_use]
    pub fn preflight() -> Self {
        Self::new(StatusCode::NO_CONTENT, Kind::Preflight)
    }

    /// The reply's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The session that came to be, where one did.
    #[must_use]
    pub fn created(&self) -> Option<SessionId> {
        self.created
    }

    /// Why it is a refusal, where it is one.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        match &self.kind {
            Kind::Error(error) => Some(error.verdict().reason),
            Kind::Json(_) | Kind::Text(_) | Kind::Empty | Kind::Preflight => None,
        }
    }

    /// The headers of every reply with a body, made once: a map is cloned faster than it is filled. `X-Request-Id` has
    /// its place in it, and no value yet.
    #[must_use]
    pub fn headers() -> HeaderMap {
        let headers = [
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'; sandbox",
            ),
            (CONTENT_TYPE, "application/json"),
            (X_REQUEST_ID, ""),
        ];
        // More places than it has headers: insert() makes room before it looks whether it replaces, and the room of a
        // map that is full would be made anew for every reply.
        let mut map = HeaderMap::with_capacity(2 * headers.len());
        map.extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
        map
    }

    /// The same of the ETag dialect, on all of whose replies a browser's script may read the ETag.
    #[must_use]
    pub fn etag_headers() -> HeaderMap {
        let mut headers = Self::headers();
        let etag = HeaderValue::from_static("ETag");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, etag);
        // no-transform (RFC 9111 §5.2.2.6) asks proxies not to compress, which would change the ETag; errors have
        // one too.
        let caching = HeaderValue::from_static("no-store, no-transform");
        headers.insert(CACHE_CONTROL, caching);
        headers
    }

    /// The HTTP reply over a copy of [`ApiResponse::headers`]; without a body where the request was a HEAD.
    #[must_use]
    pub fn into_response(
        self,
        mut headers: HeaderMap,
        request_id: HeaderValue,
        head: bool,
    ) -> Response<Full<Bytes>> {
        headers.insert(X_REQUEST_ID, request_id);
        let body = match self.kind {
            Kind::Json(body) => Bytes::from(body),
            Kind::Text(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                if self.status == StatusCode::OK {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
                }
                body
            }
            Kind::Empty => {
                headers.remove(CONTENT_TYPE);
                Bytes::new()
            }
            Kind::Preflight => {
                preflight(&mut headers);
                Bytes::new()
            }
            Kind::Error(error) => refusal(&error, &mut headers).into(),
        };
        if let Some(validators) = self.validators {
            validators.write(&mut headers);
        }
        let mut response = Response::new(Full::default());
        if head {
            // Of a body that is not sent, only we know the length; of any other hyper writes it. A 204 has none,
            // and in a 304 it would be the 200's (RFC 9110 §8.6), which nobody has looked up.
            let has_length =
                ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&self.status);
            if has_length {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
        } else {
            *response.body_mut() = Full::new(body);
        }
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        Self::new(error.verdict().status, Kind::Error(error))
    }
}

impl Validators {
    fn write(self, headers: &mut HeaderMap) {
        headers.insert(ETAG, self.tag);
        let Some(Timestamps { modified, expires }) = self.dates else {
            return;
        };
        for (name, date) in [(LAST_MODIFIED, modified), (EXPIRES, expires)] {
            let date = fmt_http_date(date);
            headers.insert(name, HeaderValue::try_from(date).expect("ASCII"));
        }
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    }
}

fn preflight(headers: &mut HeaderMap) {
    headers.remove(CONTENT_TYPE);
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "X-Requested-With, Content-Type, Authorization, Date, If-Match, If-None-Match",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
}
