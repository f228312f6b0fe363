//! A client that speaks the version of HTTP that ALPN chose.

use super::TlsServer;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use testkit::PATIENCE;
use testkit::http::{Connection, Reply, Request};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A connection of one device.
pub enum Client {
    Http1(Box<Connection>),
    Http2(Http2Client),
}

/// A connection for HTTP/2, and the runtime that drives it.
pub struct Http2Client {
    runtime: Runtime,
    requests: http2::SendRequest<Full<Bytes>>,
}

impl Client {
    /// Opens a connection over TLS 1.3, and checks what ALPN chose.
    #[track_caller]
    pub fn open(server: &TlsServer, alpn: &str) -> Self {
        if alpn == "h2" {
            return Self::Http2(Http2Client::open(server));
        }
        let connection = server.open();
        let tls = connection.tls();
        assert_eq!(tls.alpn_protocol(), Some(alpn.as_bytes()));
        assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        Self::Http1(Box::new(connection))
    }

    /// Sends a request, and checks what every reply must have.
    #[track_caller]
    pub fn call(&mut self, request: &Request) -> Reply {
        let reply = match self {
            Self::Http1(connection) => connection.send(request),
            Self::Http2(client) => client.send(request),
        };
        reply.assert_common_headers();
        reply
    }
}

impl Http2Client {
    #[track_caller]
    fn open(server: &TlsServer) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let connector = TlsConnector::from(server.client(&["h2", "http/1.1"]));
        let address = server.server.http;
        let opening = runtime.block_on(async {
            timeout(PATIENCE, async {
                let stream = TcpStream::connect(address).await.expect("a connection");
                let name = ServerName::try_from("localhost").expect("a name");
                let stream = connector.connect(name, stream).await.expect("a handshake");
                let tls = stream.get_ref().1;
                assert_eq!(tls.alpn_protocol(), Some(&b"h2"[..]));
                assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
                let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
                let (requests, connection) = opened.expect("HTTP/2");
                tokio::spawn(connection);
                requests
            })
            .await
        });
        Self {
            runtime,
            requests: opening.expect("within the patience"),
        }
    }

    #[track_caller]
    fn send(&mut self, request: &Request) -> Reply {
        let (method, target, headers, body) = request.parts();
        let url = format!("https://rendezvous.test{target}");
        let mut builder = hyper::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        let sent = self
            .requests
            .send_request(builder.body(body).expect("a request"));
        let answered = self.runtime.block_on(async {
            timeout(PATIENCE, async {
                let (head, body) = sent.await.expect("a response").into_parts();
                (head, body.collect().await.expect("a body").to_bytes())
            })
            .await
        });
        let (head, body) = answered.expect("within the patience");
        let text = |value: &hyper::header::HeaderValue| value.to_str().expect("text").to_owned();
        let headers = head.headers.iter();
        Reply {
            status: head.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: body.to_vec(),
        }
    }
}
