//! A response before it becomes HTTP: status, body, ETag, and whether the connection closes.

mod error_body;

use crate::http::error::ApiError;
use crate::http::request_id::X_REQUEST_ID;
use crate::http::route::CORS_METHODS;
use crate::model::MAX_PAYLOAD_BYTES;
use crate::model::Rejection;
use crate::model::SessionId;
use crate::store::Timestamps;
use bytes::Bytes;
use error_body::write_error;
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

/// The largest body of a response, in bytes: the JSON dialect writes each byte of a payload of
/// control characters as six (`\u0001`), and the other fields have less than 1 KiB.
pub const MAX_RESPONSE_BYTES: usize = 6 * MAX_PAYLOAD_BYTES + 1024;

/// Spare capacity of a JSON body that is not worth a reallocation.
const MAX_SPARE_BYTES: usize = 1024;

/// One response of the API.
#[derive(Debug)]
pub struct ApiResponse {
    status: StatusCode,
    content: Content,
    /// Boxed, because responses of the JSON dialect do not have it.
    etag_headers: Option<Box<EtagHeaders>>,
    /// The session that was created.
    created_session: Option<SessionId>,
}

/// The session's state (RFC 9110, 8.8) and expiry, for clients of the ETag dialect.
#[derive(Debug)]
struct EtagHeaders {
    tag: HeaderValue,
    dates: Option<Timestamps>,
}

#[derive(Debug)]
enum Content {
    Json(Vec<u8>),
    /// A payload as it is, or an empty body with type text/plain, because some proxies remove the
    /// ETag from a response without a type.
    Text(Bytes),
    /// An empty body without a type.
    Empty,
    Preflight,
    Error(ApiError),
}

impl ApiResponse {
    /// 200 with a JSON body; `capacity` is its expected length in bytes.
    ///
    /// # Panics
    /// Never: the serialised values are structs of strings and numbers.
    pub fn json(value: &impl Serialize, capacity: usize) -> Self {
        let mut body = Vec::with_capacity(capacity);
        serde_json::to_writer(&mut body, value).expect("strings and numbers");
        Self::raw_json(body)
    }

    /// 200 with a body that is JSON already.
    #[must_use]
    pub fn raw_json(mut body: Vec<u8>) -> Self {
        // Only an escaped payload is longer than expected, and it grew by doubling. Half of that
        // would be unused while the response waits for its client.
        if body.capacity() - body.len() > MAX_SPARE_BYTES {
            body.shrink_to_fit();
        }
        Self::new(StatusCode::OK, Content::Json(body))
    }

    /// 200 with a `text/plain` body.
    #[must_use]
    pub fn text(status: StatusCode, body: Bytes) -> Self {
        Self::new(status, Content::Text(body))
    }

    /// 204 without a body.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Empty)
    }

    fn new(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            content,
            etag_headers: None,
            created_session: None,
        }
    }

    /// Replaces the status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Adds an ETag, and the headers that go with it if the session's timestamps are known.
    #[must_use]
    pub fn with_etag(self, tag: HeaderValue, dates: Option<Timestamps>) -> Self {
        let etag_headers = Some(Box::new(EtagHeaders { tag, dates }));
        Self {
            etag_headers,
            ..self
        }
    }

    /// Marks the response to a creation with its session.
    #[must_use]
    pub fn with_created_session(self, id: SessionId) -> Self {
        let created_session = Some(id);
        Self {
            created_session,
            ..self
        }
    }

    /// 204 with the CORS headers of a preflight (Fetch, "CORS protocol").
    #[must_use]
    pub fn preflight() -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Preflight)
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The session that was created, if any.
    #[must_use]
    pub fn created_session(&self) -> Option<SessionId> {
        self.created_session
    }

    /// The reason of a rejection, if it is one.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        match &self.content {
            Content::Error(error) => Some(error.response().reason),
            Content::Json(_) | Content::Text(_) | Content::Empty | Content::Preflight => None,
        }
    }

    /// The headers of every response with a body, built once: cloning a map is faster than filling
    /// it. It has an entry for `X-Request-Id` without a value.
    #[must_use]
    pub fn default_headers() -> HeaderMap {
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
        // More capacity than it has headers: `insert()` reserves space before it checks whether it
        // replaces, so a full map would be reallocated for every response.
        let mut map = HeaderMap::with_capacity(2 * headers.len());
        map.extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
        map
    }

    /// The same for the ETag dialect, in which scripts may read the ETag of every response (R2.16).
    #[must_use]
    pub fn etag_default_headers() -> HeaderMap {
        let mut headers = Self::default_headers();
        let exposed = HeaderValue::from_static("ETag, X-Rendezvous-Probe");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        // no-transform (RFC 9111, 5.2.2.6) asks proxies not to compress, which would change the
        // ETag; errors have one too.
        let caching = HeaderValue::from_static("no-store, no-transform");
        headers.insert(CACHE_CONTROL, caching);
        headers
    }

    /// Builds the HTTP response from a copy of [`ApiResponse::default_headers`], without a body for
    /// HEAD.
    #[must_use]
    pub fn into_response(
        self,
        mut headers: HeaderMap,
        request_id: HeaderValue,
        is_head: bool,
    ) -> Response<Full<Bytes>> {
        headers.insert(X_REQUEST_ID, request_id);
        let body = match self.content {
            Content::Json(body) => Bytes::from(body),
            Content::Text(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                if self.status == StatusCode::OK {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
                }
                body
            }
            Content::Empty => {
                headers.remove(CONTENT_TYPE);
                Bytes::new()
            }
            Content::Preflight => {
                write_preflight(&mut headers);
                Bytes::new()
            }
            Content::Error(error) => write_error(&error, &mut headers).into(),
        };
        if let Some(etag_headers) = self.etag_headers {
            etag_headers.write(&mut headers);
        }
        let mut response = Response::new(Full::default());
        if is_head {
            // The length of a body that is not sent is known only here; hyper writes all other
            // lengths. A 204 has none, and that of a 304 would be the 200's (RFC 9110, 8.6), which
            // was not read.
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
        Self::new(error.response().status, Content::Error(error))
    }
}

impl EtagHeaders {
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

fn write_preflight(headers: &mut HeaderMap) {
    headers.remove(CONTENT_TYPE);
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(CORS_METHODS),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "X-Requested-With, Content-Type, Authorization, Date, If-Match, If-None-Match, \
             X-Rendezvous-Probe",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
}
