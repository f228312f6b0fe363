//! One HTTP/1.1 connection and its requests.

use crate::doctor::connection::{Connector, ProbeConnection, Stream};
use crate::doctor::exchange::ProbeError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::pending;
use std::net::SocketAddr;
use url::Url;

/// Upper bound of a response body, in bytes. Metadata of an authorization server has a few KiB.
const MAX_BODY: usize = 256 * 1024;

/// The status, the header fields and the body of a response.
pub(super) type ProbeAnswer = (StatusCode, HeaderMap, Bytes);

/// A connection over which requests are sent one after the other.
pub(super) struct KeptConnection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes the connection. Polled beside each request.
    driver: Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>,
    /// Whether `driver` goes on. It is not polled after its end.
    is_open: bool,
    peer: SocketAddr,
    host: String,
}

impl KeptConnection {
    /// Opens a connection to the host of `url`, at `address` or at one of its own.
    ///
    /// # Errors
    /// [`ProbeError::Connect`], or [`ProbeError::Http`] if it breaks at once.
    pub(super) async fn open(
        connector: &mut Connector,
        url: &Url,
        address: Option<SocketAddr>,
    ) -> Result<Self, ProbeError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let ProbeConnection { stream, peer } = connector.connect(url, address).await?;
        let opened = handshake(TokioIo::new(stream)).await;
        let (sender, driver) = opened.map_err(|error| ProbeError::Http {
            host: host.clone(),
            error,
        })?;
        Ok(Self {
            sender,
            driver,
            is_open: true,
            peer,
            host,
        })
    }

    /// The address of the peer.
    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sends a request, and waits for the whole response.
    ///
    /// # Errors
    /// [`ProbeError::Http`] if the connection broke, [`ProbeError::Body`] if the body did.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<ProbeAnswer, ProbeError> {
        let Self {
            sender,
            driver,
            is_open,
            host,
            ..
        } = self;
        // A connection that is used again is ready once the response before has ended. An error of `ready`
        // is also that of the request.
        if *is_open {
            tokio::select! {
                _ready = sender.ready() => {}
                _ended = &mut *driver => *is_open = false,
            }
        }
        let exchange = async {
            let sent = sender.send_request(request).await;
            let response = sent.map_err(|error| ProbeError::Http {
                host: host.clone(),
                error,
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            let body = body.map_err(|_| ProbeError::Body { host: host.clone() })?;
            Ok((head.status, head.headers, body.to_bytes()))
        };
        // If the connection ends first, the request ends by what it received.
        let driving = async {
            if *is_open {
                let _ended = driver.await;
                *is_open = false;
            }
            pending().await
        };
        tokio::select! {
            result = exchange => result,
            never = driving => never,
        }
    }
}
