//! The floors: what a service of this kind costs before it does anything of its own.
//!
//! The bench runs itself again with `floor bare|map|redis ADDRESS`, so that each floor is a process
//! whose memory and CPU can be told apart. All have the server's runtime (`#[tokio::main]`, so
//! `TOKIO_WORKER_THREADS` passes to all alike), its hyper, and its replies' headers. They never
//! validate, limit, count, time out or log: what those cost is what the ratio shows.

mod bare;
mod json;
mod map;
mod redis;
pub mod reply;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reply::Model;
use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The first argument that makes this process a floor.
pub const ARGUMENT: &str = "floor";

/// Serves until standard input ends, which it does when the bench goes, however it goes.
#[tokio::main]
pub async fn run(arguments: &[String]) -> Result<(), String> {
    let [kind, address, rest @ ..] = arguments else {
        return Err("floor: bare|map|redis ADDRESS [REDIS_URL]".to_owned());
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let model = Model::from_environment()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    match (kind.as_str(), rest) {
        ("bare", []) => serve(listener, bare::Bare::new(model)).await,
        ("map", []) => serve(listener, map::Map::new(model)).await,
        ("redis", [url]) => serve(listener, redis::Redis::connect(model, url).await?).await,
        _ => Err(format!("floor: unknown: {arguments:?}")),
    }
}

/// What a floor does with a request.
trait Floor: Send + Sync + 'static {
    /// Answers it. `None`: there is no such session, or the token is stale.
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Option<Response<Full<Bytes>>>> + Send;
}

async fn serve<F: Floor>(listener: TcpListener, floor: F) -> Result<(), String> {
    let floor = Arc::new(floor);
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .map_err(|error| format!("accept: {error}"))?;
        stream
            .set_nodelay(true)
            .map_err(|error| format!("nodelay: {error}"))?;
        let floor = Arc::clone(&floor);
        let service = service_fn(move |request| {
            let floor = Arc::clone(&floor);
            async move { Ok::<_, Infallible>(floor.answer(request).await.unwrap_or_else(refusal)) }
        });
        // A connection that broke is the load generator's to count.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// To the load generator any refusal is an error, whichever it is.
fn refusal() -> Response<Full<Bytes>> {
    let mut refusal = Response::new(Full::default());
    *refusal.status_mut() = StatusCode::NOT_FOUND;
    refusal
}
