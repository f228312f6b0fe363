//! `testkit traffic`: the mix of sign-ins that a real service sees, on two workers.
//!
//! Some complete. Others have no second device, a conflict, an `ETag` that a proxy has changed, an
//! invalid token, or a client that exceeds its limit of creations. A person takes a second or
//! thirty between two steps. Here all is faster, so that minutes show what days do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;
use testkit::device::{Device, RequestFailure};
use testkit::dialect::{Caller, Dialect};
use testkit::sign_in::WRITES;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Time between the starts of two scenes.
const INTERVAL: Duration = Duration::from_millis(250);

/// Time until the second device has read the QR code: at least, and the range above it.
const CAMERA: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1700)];

/// Time before each message.
const THINK: Duration = Duration::from_millis(100);

/// Clients that exceed their limit of creations: twice as many as the alert about rejected clients
/// tolerates.
const EXCESSIVE_CLIENTS: u32 = 22;

/// Creations of such a client: more than `limits.create.client` allows in the test's configuration
/// (3).
const EXCESSIVE_CREATIONS: usize = 6;

/// What proxies do to an ETag, in turn.
const MANGLED: [fn(&str) -> String; 3] = [
    |tag| format!("W/{tag}"),
    |tag| tag.trim_matches('"').to_owned(),
    |tag| format!("{}-gzip\"", tag.trim_end_matches('"')),
];

#[derive(Debug, Args)]
pub struct Arguments {
    /// Addresses of the two workers
    #[arg(required = true, num_args = 2)]
    workers: Vec<SocketAddr>,
}

/// A kind of sign-in.
#[derive(Debug, Clone, Copy)]
struct SignIn {
    dialect: Dialect,
    /// The access token of the first device.
    token: Option<&'static str>,
    /// What a proxy does to each ETag.
    mangle_etag: fn(&str) -> String,
    /// Whether there is a second device.
    has_second_device: bool,
    /// Whether the second device writes over an old token, after the fourth message.
    has_conflict: bool,
}

/// What happens in one scene.
#[derive(Debug, Clone, Copy)]
enum Scene {
    SignIn(SignIn),
    /// A client polls a session that does not exist, and shows an invalid token.
    Stranger,
    /// Clients create more sessions than they may.
    ExcessiveClients,
}

const JSON: SignIn = SignIn {
    dialect: Dialect::Json,
    token: None,
    mangle_etag: str::to_owned,
    has_second_device: true,
    has_conflict: false,
};
const ETAG: SignIn = SignIn {
    dialect: Dialect::Etag,
    ..JSON
};

/// The scenes of one round, in their order.
fn scenes(round: usize) -> [Scene; 8] {
    let with_token = SignIn {
        token: Some("good"),
        ..JSON
    };
    let mangled = SignIn {
        mangle_etag: MANGLED[round % MANGLED.len()],
        ..ETAG
    };
    let left = SignIn {
        has_second_device: false,
        ..JSON
    };
    let conflict = SignIn {
        has_conflict: true,
        ..JSON
    };
    [
        Scene::SignIn(with_token),
        Scene::SignIn(ETAG),
        Scene::SignIn(mangled),
        Scene::SignIn(left),
        Scene::SignIn(ETAG),
        Scene::Stranger,
        Scene::SignIn(conflict),
        Scene::ExcessiveClients,
    ]
}

/// What one scene needs.
#[derive(Debug, Clone)]
struct Context {
    /// Number of the scene.
    number: u32,
    workers: [SocketAddr; 2],
    stop: watch::Receiver<bool>,
}

/// Runs until SIGTERM, then lets all scenes end and prints how often each result occurred.
pub async fn run(arguments: &Arguments) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let (stop, stopped) = watch::channel(false);
    let results = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let mut tasks = JoinSet::new();
    let mut workers = [arguments.workers[0], arguments.workers[1]];
    let rounds = (0..).flat_map(scenes);
    for (number, scene) in (0..).zip(rounds) {
        if number % 8 == 0 {
            // Each round begins at the other worker.
            workers.reverse();
        }
        if timeout(INTERVAL, terminate.recv()).await.is_ok() {
            break;
        }
        let stop = stopped.clone();
        let context = Context {
            number,
            workers,
            stop,
        };
        let results = Arc::clone(&results);
        tasks.spawn(async move {
            let result = run_scene(scene, context).await;
            *results.lock().expect("no panic").entry(result).or_default() += 1;
        });
    }
    stop.send_replace(true);
    tasks.join_all().await;
    let results = results.lock().expect("no panic");
    let results: Vec<_> = results.iter().map(|(of, n)| format!("{of} {n}")).collect();
    println!("traffic: {}", results.join(", "));
    Ok(())
}

/// Runs a scene. Returns its result in a word or two.
async fn run_scene(scene: Scene, mut context: Context) -> String {
    let result = match scene {
        Scene::SignIn(sign_in) => run_sign_in(sign_in, &mut context).await,
        Scene::Stranger => {
            run_stranger(&context).await;
            Ok("rejected")
        }
        Scene::ExcessiveClients => {
            run_excessive_clients(&context).await;
            Ok("rejected")
        }
    };
    match result {
        Ok(result) => result.to_owned(),
        // Today's clients end a sign-in at the first reply that they do not expect.
        Err(RequestFailure::Rejected { request, reply }) => format!("{request} {}", reply.status),
        Err(RequestFailure::NoReply { .. }) => "no reply".to_owned(),
    }
}

async fn run_sign_in(
    sign_in: SignIn,
    context: &mut Context,
) -> Result<&'static str, RequestFailure> {
    let mut devices = [0, 1].map(|device| {
        let caller = Caller {
            address: Some(context.address(device)),
            token: sign_in.token.filter(|_| device == 0).map(str::to_owned),
        };
        let worker = context.workers[usize::from(device)];
        let mut device = Device::new(sign_in.dialect, caller, &[worker]);
        device.mangle_etag = sign_in.mangle_etag;
        device
    });
    if sign_in.dialect != Dialect::Etag {
        devices[0].fetch_metadata().await?;
    }
    let session = devices[0].create("").await?;
    let path = &session.path;
    context.pause(context.camera()).await;
    devices[0].poll(path).await?;
    if !sign_in.has_second_device {
        return Ok("left");
    }
    devices[1].poll(path).await?;
    for number in 1..=WRITES {
        // The second device writes first. The other one polls meanwhile: the server may hold that poll
        // until the write.
        let [first, second] = &mut devices;
        let (writer, reader) = match number % 2 {
            0 => (first, second),
            _ => (second, first),
        };
        let data = format!("{number} {}", "m".repeat(600));
        let write = async {
            context.pause(THINK).await;
            writer.write(path, &data).await
        };
        let (polled, written) = tokio::join!(reader.poll(path), write);
        written?;
        if polled?.is_none() {
            reader.poll(path).await?;
        }
        if sign_in.has_conflict && number == 4 {
            devices[1].known.clone_from(&session.token);
            devices[1].write(path, "too late").await?;
        }
    }
    devices[0].delete(path).await?;
    Ok("finished")
}

async fn run_stranger(context: &Context) {
    let caller = Caller {
        address: Some(context.address(0)),
        token: Some("bad".to_owned()),
    };
    let mut device = Device::new(Dialect::Json, caller, &context.workers[..1]);
    // Both requests may be rejected.
    let path = Dialect::Json.path("AAAAAAAAAAAAAAAAAAAAAA");
    let _ = device.poll(&path).await;
    let _ = device.create("").await;
}

async fn run_excessive_clients(context: &Context) {
    for number in 1..=EXCESSIVE_CLIENTS {
        let caller = Caller {
            address: Some(format!("192.0.2.{number}")),
            token: None,
        };
        let worker = context.workers[number as usize % 2];
        let mut device = Device::new(Dialect::Etag, caller, &[worker]);
        for _ in 0..EXCESSIVE_CREATIONS {
            if device.create("").await.is_err() {
                break;
            }
        }
    }
}

impl Context {
    /// An address that no other device has.
    fn address(&self, device: u8) -> String {
        let [_, high, middle, low] = (self.number * 2 + u32::from(device)).to_be_bytes();
        format!("10.{high}.{middle}.{low}")
    }

    /// The time of this scene until the second device has read the QR code. It varies evenly.
    fn camera(&self) -> Duration {
        let [minimum, range] = CAMERA;
        minimum + range.mul_f64((f64::from(self.number) * 0.618).fract())
    }

    /// Waits, or returns at once if the traffic stops.
    async fn pause(&mut self, duration: Duration) {
        let _ = timeout(duration, self.stop.wait_for(|stop| *stop)).await;
    }
}
