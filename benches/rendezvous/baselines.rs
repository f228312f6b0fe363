//! The baselines: what a service of this kind costs before it does anything of its own.
//!
//! The benchmark runs itself again with `baseline bare|map|redis|thin ADDRESS`, so that each baseline
//! is a process with its own memory and CPU time. All have the server's hyper, the headers of its
//! replies, and the runtime that it has by default: one thread. They never validate, limit, count,
//! time out or log. The ratio shows what those cost.

mod bare;
mod json;
mod map;
mod redis;
pub mod reply;
mod thin;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reply::ModelReply;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime;

/// The first argument that makes this process a baseline.
pub const ARGUMENT: &str = "baseline";

/// Serves until the process is killed, which happens when the benchmark ends in any way.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [kind, address, rest @ ..] = arguments else {
        return Err("baseline: bare|map|redis|thin ADDRESS [REDIS_URL]".to_owned());
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(listen(kind, address, rest))
}

async fn listen(kind: &str, address: &str, rest: &[String]) -> Result<(), String> {
    let model = ModelReply::from_environment()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    match (kind, rest) {
        ("bare", []) => serve(listener, bare::Bare::new(model)).await,
        ("map", []) => serve(listener, map::Map::new(model)).await,
        ("redis", [url]) => serve(listener, redis::Redis::connect(model, url).await?).await,
        ("thin", [url]) => serve(listener, thin::Thin::connect(model, url).await?).await,
        _ => Err(format!("baseline: unknown: {kind} {rest:?}")),
    }
}

/// A baseline server.
trait Baseline: Send + Sync + 'static {
    /// Handles a request. Returns `None` if there is no such session, or if the token is stale.
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Option<Response<Full<Bytes>>>> + Send;
}

async fn serve<B: Baseline>(listener: TcpListener, baseline: B) -> Result<(), String> {
    let baseline = Arc::new(baseline);
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .map_err(|error| format!("accept: {error}"))?;
        stream
            .set_nodelay(true)
            .map_err(|error| format!("nodelay: {error}"))?;
        let baseline = Arc::clone(&baseline);
        let service = service_fn(move |request| {
            let baseline = Arc::clone(&baseline);
            async move {
                let reply = baseline.handle(request).await;
                Ok::<_, Infallible>(reply.unwrap_or_else(not_found))
            }
        });
        // The load generator counts broken connections.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// For the load generator every status but a success is an error.
fn not_found() -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NOT_FOUND;
    reply
}
