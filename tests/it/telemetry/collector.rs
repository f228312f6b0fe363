//! A stand-in for an OpenTelemetry collector. It parses what a real one receives.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use testkit::process::listen;

/// A collector that accepts spans and metrics.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: Received,
    answer: Answer,
}

/// Request lines and bodies.
type Received = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// What each request gets. If `None`, a request gets no answer.
type Answer = Arc<Mutex<Option<Vec<u8>>>>;

impl Collector {
    /// A collector that answers, or one that accepts everything and never answers.
    pub fn start(answers: bool) -> Self {
        let collector = Self::listening();
        if answers {
            collector.answer("200 OK", "text/plain", b"");
        }
        collector
    }

    /// A collector that answers with this from the first request on.
    pub fn answering(status: &str, content_type: &str, body: &[u8]) -> Self {
        let collector = Self::listening();
        collector.answer(status, content_type, body);
        collector
    }

    /// Answers further requests with this.
    pub fn answer(&self, status: &str, content_type: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        *self.answer.lock().expect("a lock") = Some([head.as_bytes(), body].concat());
    }

    fn listening() -> Self {
        let listener = listen();
        let address = listener.local_addr().expect("an address");
        let received = Received::default();
        let answer = Answer::default();
        let (all, answers) = (Arc::clone(&received), Arc::clone(&answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, answer) = (Arc::clone(&all), Arc::clone(&answers));
                std::thread::spawn(move || receive(stream, &received, &answer));
            }
        });
        Self {
            address,
            received,
            answer,
        }
    }

    /// A collector at this address that does not exist.
    pub fn absent(address: SocketAddr) -> Self {
        Self {
            address,
            received: Received::default(),
            answer: Answer::default(),
        }
    }

    /// The value of `telemetry.traces.endpoint` and `telemetry.metrics.endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The request lines and the bodies so far.
    pub fn received(&self) -> Vec<(String, Vec<u8>)> {
        self.received.lock().expect("a lock").clone()
    }

    /// The exports so far, decoded.
    pub fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let of = |(_, body): &(String, Vec<u8>)| {
            ExportTraceServiceRequest::decode(&body[..]).expect("protobuf")
        };
        self.received().iter().map(of).collect()
    }

    /// The pushes of metrics so far, decoded.
    pub fn pushes(&self) -> Vec<ExportMetricsServiceRequest> {
        let of = |(_, body): &(String, Vec<u8>)| {
            ExportMetricsServiceRequest::decode(&body[..]).expect("protobuf")
        };
        self.received().iter().map(of).collect()
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Span> {
        let scopes = self
            .requests()
            .into_iter()
            .flat_map(|request| request.resource_spans);
        scopes
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }
}

fn receive(stream: TcpStream, received: &Received, answer: &Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        received.lock().expect("a lock").push((first, body));
        let answer = answer.lock().expect("a lock").clone();
        if let Some(answer) = answer {
            reader.get_mut().write_all(&answer).ok()?;
        }
    }
}
