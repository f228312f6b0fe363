//! Attackers that use HTTP/2 without TLS: what a client can do there and not on HTTP/1.1.
//!
//! Like slow connections, they connect without a proxy, each from a loopback address that stands for
//! a client's address.

use crate::attacks::{AttackContext, MAX_PAYLOAD};
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use testkit::dialect::{Caller, Dialect, Response};
use testkit::http2::{
    PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, initial_window,
};
use testkit::keep_alive::KeepAliveClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

/// Time before a connection is opened again after an attempt that failed.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Time between the starts of two connections of a client. All at once would be a flood of requests.
const START_INTERVAL: Duration = Duration::from_millis(20);

/// Time between a stream that is refused and the next one on the same connection. Without a pause
/// this would be a flood of requests, too, which other scenarios are.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Connections of one client to one worker: nearly as many as it may have.
const CONNECTIONS: usize = 90;

/// Streams of one connection.
const STREAMS: usize = 32;

/// Sessions of one client. A worker accepts 200 polls of each at once.
const SESSIONS: usize = 16;

/// Connections that send frames, half of them to each worker.
const FLOODS: usize = 64;

/// Frames that a flood sends at once.
const FLOOD_FRAMES: usize = 1000;

/// What the attackers do on HTTP/2.
#[derive(Debug, Clone, Copy)]
pub enum Http2Abuse {
    /// This many clients poll sessions with the largest responses, on as many streams as there
    /// are, and give the responses no flow-control window.
    Unread(u32),
    /// One client sends frames that are no requests. It connects again when it is disconnected.
    Frames,
}

/// What one connection does.
#[derive(Debug, Clone)]
enum Task {
    /// Polls the session of this path.
    Unread(String),
    /// Sends these bytes over and over.
    Frames(Vec<u8>),
}

/// Starts the attackers.
///
/// # Errors
/// Returns an error if a session could not be created.
pub async fn start(abuse: Http2Abuse, context: &AttackContext) -> std::result::Result<(), String> {
    match abuse {
        Http2Abuse::Unread(clients) => {
            // All sessions first, while the workers are idle.
            let mut polled = Vec::new();
            for from in (0..clients).map(address) {
                polled.push((from, create_sessions(from, context).await?));
            }
            for (from, sessions) in polled {
                for number in 0..2 * CONNECTIONS {
                    let session = &sessions[number / 2 % SESSIONS];
                    spawn(Task::Unread(session.clone()), number, from, context);
                }
            }
        }
        Http2Abuse::Frames => {
            for number in 0..FLOODS {
                let frame = match number / 2 % 4 {
                    0 => frame(PING, 0, 0, &[7; 8]),
                    1 => frame(SETTINGS, 0, 0, &[]),
                    2 => frame(PRIORITY, 0, 99, &[0, 0, 0, 0, 16]),
                    _ => frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
                };
                let task = Task::Frames(frame.repeat(FLOOD_FRAMES));
                spawn(task, number, address(0), context);
            }
        }
    }
    Ok(())
}

/// The address of a client. It is never 127.0.0.1, which is the trusted proxy.
fn address(client: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 2, 0, 0).to_bits() + client)
}

/// Creates sessions with the payload that JSON writes in six times its length. Returns their paths.
async fn create_sessions(
    from: Ipv4Addr,
    context: &AttackContext,
) -> std::result::Result<Vec<String>, String> {
    let failed = |error: Error| format!("no session: {error}");
    let stream = connect(from, context.worker(0)).await.map_err(failed)?;
    let mut client = KeepAliveClient::over(stream).map_err(failed)?;
    let create = Dialect::Json.create(&Caller::default(), &"\u{1}".repeat(MAX_PAYLOAD));
    let mut paths = Vec::new();
    while paths.len() < SESSIONS {
        let reply = client.send(&create).await.map(Response::from);
        let reply = reply.map_err(failed)?;
        let session = Dialect::Json.created(&reply);
        let session = session.ok_or_else(|| format!("no session: {}", reply.status))?;
        paths.push(session.path);
    }
    Ok(paths)
}

/// Opens a connection to the worker of connection `number`, and again whenever it ends.
fn spawn(task: Task, number: usize, from: Ipv4Addr, context: &AttackContext) {
    let context = context.clone();
    tokio::spawn(async move {
        sleep(START_INTERVAL * u32::try_from(number).unwrap_or(0)).await;
        loop {
            if let Ok(stream) = connect(from, context.worker(number)).await {
                context.counters.record_connection();
                // Whatever the result, the worker has closed the connection.
                let _ = match &task {
                    Task::Unread(session) => leave_unread(stream, session, &context).await,
                    Task::Frames(frames) => send_frames(stream, frames).await,
                };
                context.counters.record_closed();
            } else {
                sleep(RECONNECT_PAUSE).await;
            }
        }
    });
}

async fn connect(from: Ipv4Addr, worker: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(worker).await
}

/// Keeps a request on every stream, and reads everything but gives no window. A stream that is
/// reset is replaced by the next one.
async fn leave_unread(stream: TcpStream, session: &str, context: &AttackContext) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut begin = [PREFACE, &initial_window(0)].concat();
    let mut ids = (1..).step_by(2);
    begin.extend(ids.by_ref().take(STREAMS).flat_map(|id| get(id, session)));
    stream.write_all(&begin).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap_or(0)];
        stream.read_exact(&mut payload).await?;
        if head[3] == RST_STREAM {
            context.counters.record_connection();
            context.counters.record_closed();
            sleep(RETRY_PAUSE).await;
            let next = ids.next().ok_or(ErrorKind::QuotaExceeded)?;
            stream.write_all(&get(next, session)).await?;
        }
    }
}

/// Sends frames until the worker closes the connection.
async fn send_frames(mut stream: TcpStream, frames: &[u8]) -> Result<()> {
    stream.write_all(PREFACE).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let (mut reader, mut writer) = stream.split();
    let send = async {
        loop {
            writer.write_all(frames).await?;
        }
    };
    let mut replies = tokio::io::sink();
    let read = tokio::io::copy(&mut reader, &mut replies);
    tokio::select! {
        ended = send => ended,
        ended = read => ended.map(drop),
    }
}
