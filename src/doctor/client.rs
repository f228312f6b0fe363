//! Sends one request over a connection of its own, and keeps what was seen as evidence.

use crate::clock::Clock;
use crate::doctor::connection::{ConnectError, Connection, Connector};
use crate::http::probe::X_RENDEZVOUS_PROBE;
use crate::telemetry::version::VERSION;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

/// Upper bound of a response body, in bytes. Metadata of an authorization server has a few KiB.
const MAX_BODY: usize = 256 * 1024;

/// Upper bound of the redirects that are followed, as browsers follow them.
const MAX_REDIRECTS: usize = 5;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Call {
    /// A request without a body.
    pub(super) fn new(method: Method, url: &Url) -> Self {
        Self {
            method,
            url: url.clone(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn get(url: &Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// Adds a header field. A value that is no header is left out: it came from a response, and the
    /// check then fails by what is missing.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds a body of the type `text/plain`, as clients of the ETag dialect do.
    pub(super) fn text(self, body: &str) -> Self {
        self.typed("text/plain", body)
    }

    /// Adds a body.
    pub(super) fn typed(mut self, content_type: &'static str, body: &str) -> Self {
        let value = HeaderValue::from_static(content_type);
        self.headers.push((CONTENT_TYPE, value));
        self.body = Bytes::copy_from_slice(body.as_bytes());
        self
    }
}

/// A response.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The URL that it came from, after redirects.
    pub(super) url: Url,
    /// Whether it repeats the probe: this service sent it.
    pub(super) is_ours: bool,
    /// The time from the request to the end of the response.
    pub(super) elapsed: Duration,
}

/// A request without a response. The text names the host that was tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection to {host} broke: {error}")]
    Http { host: String, error: hyper::Error },
    #[error("the response of {host} broke off, or is longer than 256 KiB")]
    Body { host: String },
    #[error("{host} sent no response within {limit:?}")]
    Timeout { host: String, limit: Duration },
    #[error("{url} redirects more than {MAX_REDIRECTS} times")]
    Redirects { url: Url },
}

/// What one request showed, for the report. It has no body of the request, and none of the response.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) address: Option<SocketAddr>,
    pub(super) elapsed: Duration,
    pub(super) result: Result<(StatusCode, HeaderMap), String>,
}

/// Sends requests, and collects evidence.
pub(super) struct Client {
    connector: Connector,
    timeout: Duration,
    origin: String,
    probe: HeaderValue,
    clock: Clock,
    evidence: Vec<Evidence>,
}

impl Client {
    pub(super) fn new(
        connector: Connector,
        timeout: Duration,
        origin: String,
        clock: Clock,
    ) -> Self {
        let word = Uuid::new_v4().simple().to_string();
        Self {
            connector,
            timeout,
            origin,
            probe: HeaderValue::try_from(word).unwrap_or(HeaderValue::from_static("doctor")),
            clock,
            evidence: Vec::new(),
        }
    }

    /// The clock of this machine.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns what the requests since the last call showed.
    pub(super) fn take_evidence(&mut self) -> Vec<Evidence> {
        std::mem::take(&mut self.evidence)
    }

    /// Sends a request, and follows no redirect.
    ///
    /// # Errors
    /// [`CallError`] if there is no whole response within the time limit.
    pub(super) async fn send(&mut self, call: Call) -> Result<Answer, CallError> {
        let started = self.clock.now();
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let mut peer = None;
        let exchange = self.exchange(&call, &host, &mut peer);
        let result = timeout(self.timeout, exchange).await.unwrap_or_else(|_| {
            let limit = self.timeout;
            Err(CallError::Timeout { host, limit })
        });
        let elapsed = self.clock.now().saturating_sub(started);
        self.evidence.push(Evidence {
            method: call.method,
            url: call.url.clone(),
            address: peer,
            elapsed,
            result: match &result {
                Ok((status, headers, _)) => Ok((*status, headers.clone())),
                Err(error) => Err(error.to_string()),
            },
        });
        let (status, headers, body) = result?;
        Ok(Answer {
            is_ours: headers.get(X_RENDEZVOUS_PROBE) == Some(&self.probe),
            status,
            headers,
            body,
            url: call.url,
            elapsed,
        })
    }

    /// Sends a GET, and follows redirects as browsers and apps do.
    ///
    /// # Errors
    /// As [`Client::send`], and [`CallError::Redirects`].
    pub(super) async fn get_following(&mut self, url: &Url) -> Result<Answer, CallError> {
        let mut next = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send(Call::get(&next)).await?;
            match redirect_target(&answer) {
                Some(target) => next = target,
                None => return Ok(answer),
            }
        }
        Err(CallError::Redirects { url: url.clone() })
    }

    async fn exchange(
        &self,
        call: &Call,
        host: &str,
        peer: &mut Option<SocketAddr>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), CallError> {
        let broken = |error| CallError::Http {
            host: host.to_owned(),
            error,
        };
        let connection = self.connector.connect(&call.url).await?;
        let Connection { stream, peer: from } = connection;
        *peer = Some(from);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, driver) = handshake.map_err(broken)?;
        let exchange = async {
            let response = sender
                .send_request(self.request(call))
                .await
                .map_err(broken)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            let body = body.map_err(|_| CallError::Body {
                host: host.to_owned(),
            })?;
            Ok((head.status, head.headers, body.to_bytes()))
        };
        // The connection is read and written by a future beside the request. If that ends first, the
        // request ends by what it received.
        let driving = async {
            let _ended = driver.await;
            pending().await
        };
        tokio::select! {
            result = exchange => result,
            never = driving => never,
        }
    }

    fn request(&self, call: &Call) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        let path = &call.url[url::Position::BeforePath..url::Position::AfterQuery];
        if let Ok(path) = path.parse() {
            *request.uri_mut() = path;
        }
        let headers = request.headers_mut();
        let authority = &call.url[url::Position::BeforeHost..url::Position::AfterPort];
        let agent = format!("matrix-rendezvous-doctor/{VERSION}");
        for (name, value) in [
            (HOST, authority),
            (USER_AGENT, &agent),
            (ORIGIN, &self.origin),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(X_RENDEZVOUS_PROBE, self.probe.clone());
        for (name, value) in &call.headers {
            headers.append(name, value.clone());
        }
        request
    }
}

/// Returns the URL that a redirect leads to.
pub(super) fn redirect_target(answer: &Answer) -> Option<Url> {
    if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
        return None;
    }
    let location = answer.headers.get(hyper::header::LOCATION)?.to_str().ok()?;
    answer.url.join(location).ok()
}
