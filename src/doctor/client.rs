//! Sends one request over a connection of its own, and keeps what was seen as evidence.

use crate::clock::Clock;
use crate::config::de::HumanDuration;
use crate::doctor::connection::Connector;
use crate::doctor::exchange::{Evidence, ProbeError, ProbeRequest, ProbeResponse, redirect_target};
use crate::doctor::kept_connection::{KeptConnection, ProbeAnswer};
use crate::http::probe::X_RENDEZVOUS_PROBE;
use crate::telemetry::version::VERSION;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT_ENCODING, HOST, HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

/// The length of the part of a probe that is the same for a run. With the number of the request it is
/// shorter than the 32 characters that are repeated (R0.38).
const RUN_LEN: usize = 20;

/// Upper bound of the redirects that are followed. Browsers follow 20.
const MAX_REDIRECTS: usize = 5;

/// Sent in the place of the proxy, with `--via`.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Sends requests, and collects evidence.
pub(super) struct ProbeClient {
    connector: Connector,
    timeout: Duration,
    origin: String,
    /// The first part of the probe, which is the same for all requests of a run.
    run: String,
    requests: u32,
    clock: Clock,
    evidence: Vec<Evidence>,
}

impl ProbeClient {
    pub(super) fn new(
        connector: Connector,
        timeout: Duration,
        origin: String,
        clock: Clock,
    ) -> Self {
        Self {
            connector,
            timeout,
            origin,
            run: Uuid::new_v4().simple().to_string()[..RUN_LEN].to_owned(),
            requests: 0,
            clock,
            evidence: Vec::new(),
        }
    }

    /// The clock of this machine.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the addresses of the host of `url`, as far as they are used.
    ///
    /// # Errors
    /// [`ProbeError::Connect`] if the name has none, [`ProbeError::Timeout`] if DNS does not answer.
    pub(super) async fn addresses_of(&self, url: &Url) -> Result<Vec<SocketAddr>, ProbeError> {
        match timeout(self.timeout, self.connector.addresses_of(url)).await {
            Ok(addresses) => Ok(addresses?),
            Err(_) => Err(timed_out(url, self.timeout)),
        }
    }

    /// The part that opens connections.
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Returns what the requests since the last call showed.
    pub(super) fn take_evidence(&mut self) -> Vec<Evidence> {
        std::mem::take(&mut self.evidence)
    }

    /// Sends a request, and follows no redirect.
    ///
    /// # Errors
    /// [`ProbeError`] if there is no whole response within the time limit.
    pub(super) async fn send(&mut self, call: ProbeRequest) -> Result<ProbeResponse, ProbeError> {
        self.send_to(call, None).await
    }

    /// Sends a request to this address of its host, and follows no redirect.
    ///
    /// # Errors
    /// As [`ProbeClient::send`].
    pub(super) async fn send_to(
        &mut self,
        call: ProbeRequest,
        mut peer: Option<SocketAddr>,
    ) -> Result<ProbeResponse, ProbeError> {
        let probe = self.next_probe();
        let mut started = self.clock.now();
        let limit = self.timeout;
        let exchange = self.exchange(&call, &probe, &mut peer, &mut started);
        let result = timeout(limit, exchange).await;
        let result = result.unwrap_or_else(|_| Err(timed_out(&call.url, limit)));
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
        let repeated = headers.get(X_RENDEZVOUS_PROBE);
        let repeated = repeated.and_then(|value| value.to_str().ok());
        Ok(ProbeResponse {
            is_ours: repeated.is_some(),
            is_cached: repeated.is_some_and(|value| value != probe),
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
    /// As [`ProbeClient::send`], and [`ProbeError::Redirects`].
    pub(super) async fn get_following(&mut self, url: &Url) -> Result<ProbeResponse, ProbeError> {
        let mut next = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(ProbeRequest::get(&next)).await?;
            match redirect_target(&response) {
                Some(target) => next = target,
                None => return Ok(response),
            }
        }
        let url = url.clone();
        let limit = MAX_REDIRECTS;
        Err(ProbeError::Redirects { url, limit })
    }

    /// Opens a connection and sends a request on it, for a second one later.
    ///
    /// # Errors
    /// As [`ProbeClient::send`].
    pub(super) async fn open(&mut self, call: &ProbeRequest) -> Result<KeptConnection, ProbeError> {
        let (limit, probe) = (self.timeout, self.next_probe());
        let opening = async {
            let mut connection = KeptConnection::open(&mut self.connector, &call.url, None).await?;
            connection.exchange(self.request(call, &probe)).await?;
            Ok(connection)
        };
        let result = timeout(limit, opening).await;
        result.unwrap_or_else(|_| Err(timed_out(&call.url, limit)))
    }

    /// Sends a second request on an open connection. Returns whether there was a response; without one
    /// the server had closed the connection.
    ///
    /// # Errors
    /// [`ProbeError::Timeout`] if the connection is open and silent.
    pub(super) async fn send_on(
        &mut self,
        connection: &mut KeptConnection,
        call: &ProbeRequest,
    ) -> Result<bool, ProbeError> {
        let (limit, probe) = (self.timeout, self.next_probe());
        let request = self.request(call, &probe);
        match timeout(limit, connection.exchange(request)).await {
            Ok(response) => Ok(response.is_ok()),
            Err(_) => Err(timed_out(&call.url, limit)),
        }
    }

    fn next_probe(&mut self) -> String {
        self.requests += 1;
        format!("{}{:08}", self.run, self.requests)
    }

    /// Sends the request, to `peer` if there is one. Sets `peer` and `started` once the connection is
    /// open.
    async fn exchange(
        &mut self,
        call: &ProbeRequest,
        probe: &str,
        peer: &mut Option<SocketAddr>,
        started: &mut Duration,
    ) -> Result<ProbeAnswer, ProbeError> {
        let connector = &mut self.connector;
        let mut connection = KeptConnection::open(connector, &call.url, *peer).await?;
        *peer = Some(connection.peer());
        *started = self.clock.now();
        connection.exchange(self.request(call, probe)).await
    }

    fn request(&self, call: &ProbeRequest, probe: &str) -> Request<Full<Bytes>> {
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
            (ACCEPT_ENCODING, call.encodings),
            (X_RENDEZVOUS_PROBE, probe),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        // The proxy sets this header field.
        if self.connector.listener_for(&call.url).is_some() && call.url.scheme() == "https" {
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        }
        for (name, value) in &call.headers {
            headers.append(name, value.clone());
        }
        request
    }
}

fn timed_out(url: &Url, limit: Duration) -> ProbeError {
    let host = url.host_str().unwrap_or_default().to_owned();
    let limit = HumanDuration(limit);
    ProbeError::Timeout { host, limit }
}

#[cfg(test)]
mod tests;
