//! A connection that was idle: served, closed, or forgotten. And a lookup of addresses that does not end.

use super::ProbeClient;
use crate::clock::Clock;
use crate::doctor::address_family::AddressFamily;
use crate::doctor::connection::Connector;
use crate::doctor::exchange::{ProbeError, ProbeRequest};
use rustls::RootCertStore;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::time::timeout;
use url::Url;

/// Ends a hang, and decides no result.
const PATIENCE: Duration = Duration::from_secs(10);

const ANSWER: &[u8] = b"HTTP/1.1 304 Not Modified\r\n\r\n";

/// What a server does with the second request of a connection.
#[derive(Clone, Copy)]
enum Second {
    Answered,
    Closed,
    Ignored,
}

async fn serve(listener: TcpListener, second: Second) {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    answer(&mut stream).await;
    match second {
        Second::Answered => answer(&mut stream).await,
        Second::Closed => return,
        Second::Ignored => {}
    }
    std::future::pending::<()>().await;
    drop(stream);
}

async fn answer(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.expect("a request");
        request.push(byte);
    }
    stream.write_all(ANSWER).await.expect("an answer");
}

fn client(limit: Duration) -> ProbeClient {
    let roots = RootCertStore::empty();
    let connector = Connector::new(AddressFamily::Any, Vec::new(), None, &roots).expect("TLS");
    ProbeClient::new(connector, limit, String::new(), Clock::system())
}

/// Sends two requests on one connection, and returns the result of the second.
async fn second_of_two(second: Second) -> Result<bool, ProbeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(serve(listener, second));
    let mut client = client(Duration::from_millis(300));
    let url = Url::parse(&format!("http://{address}/")).expect("a URL");
    let call = ProbeRequest::get(&url);
    let mut connection = client.open(&call).await.expect("a response");
    if matches!(second, Second::Closed) {
        server.await.expect("its end");
    }
    client.send_on(&mut connection, &call).await
}

#[tokio::test]
async fn idle_connection_is_served_closed_or_forgotten() {
    let served = second_of_two(Second::Answered).await;
    assert!(served.expect("no timeout"));
    let closed = second_of_two(Second::Closed).await;
    assert!(!closed.expect("no timeout"));
    let forgotten = second_of_two(Second::Ignored).await;
    let error = forgotten.expect_err("a timeout");
    assert!(matches!(error, ProbeError::Timeout { .. }), "{error}");
}

/// The resolver of the system has no time limit of its own that the doctor could set. It runs on a
/// thread, and the only one is taken here.
#[test]
fn address_lookup_ends_at_the_time_limit() {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build();
    let runtime = runtime.expect("a runtime");
    let (release, taken) = mpsc::channel::<()>();
    let _thread = runtime.spawn_blocking(move || taken.recv());
    let url = Url::parse("http://localhost/").expect("a URL");
    let mut client = client(Duration::from_millis(1));
    let calls = async {
        let looked_up = client.addresses_of(&url).await;
        (looked_up, client.send(ProbeRequest::get(&url)).await)
    };
    let ended = runtime.block_on(async { timeout(PATIENCE, calls).await });
    drop(release);
    let (looked_up, sent) = ended.expect("both end");
    let error = looked_up.expect_err("a timeout");
    assert!(matches!(error, ProbeError::Timeout { .. }), "{error}");
    let error = sent.map(|_| ()).expect_err("a timeout");
    assert!(matches!(error, ProbeError::Timeout { .. }), "{error}");
}
