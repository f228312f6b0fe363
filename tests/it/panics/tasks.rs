//! A panic in a background task: the process ends with an error, and the log names the task.
//!
//! The application lists its tasks before it starts them. So a test can let a real task run for a moment
//! and then panic inside it, and production code needs no hook. Each case is a process of its own: it
//! installs the log, the panic hook and the signal handlers as `main` does.

use matrix_rendezvous::app::App;
use matrix_rendezvous::app::reload::ReloadContext;
use matrix_rendezvous::config::Sources;
use matrix_rendezvous::lifecycle::{BackgroundTask, ReloadSignal, Signals};
use matrix_rendezvous::net::passed_sockets::PassedSockets;
use matrix_rendezvous::startup::{self, Startup};
use matrix_rendezvous::telemetry::logs::{self, LogFormat};
use std::process::{Command, Output, exit};
use std::sync::Arc;
use std::time::Duration;
use testkit::certificates::Certificates;
use testkit::server::shared_redis;

/// The task that panics; the settings, a `key=value` per line.
const TASK: &str = "TEST_PANICKING_TASK";
const SETTINGS: &str = "TEST_SETTINGS";

/// How long the real task runs before it panics.
const RUNS_FOR: Duration = Duration::from_millis(20);

const EVERY_APP: [&str; 8] = [
    "service manager",
    "admin listener",
    "reload",
    "housekeeping",
    "circuit breaker probes",
    "homeserver probe",
    "access log",
    "http listener",
];

#[test]
fn panic_in_any_task_of_the_memory_store_ends_the_process() {
    let certificates = Certificates::make();
    let own = [
        "trace export",
        "TLS certificate renewal",
        "pseudonym key renewal",
        "metrics push",
    ];
    let settings = format!(
        "telemetry.traces.endpoint=http://127.0.0.1:1\ntelemetry.metrics.endpoint=http://127.0.0.1:1\nhttp.tls_cert_file={}\nhttp.tls_key_file={}",
        certificates.cert_file().display(),
        certificates.key_file().display()
    );
    check_each_task(&own, &settings);
}

#[test]
fn panic_in_any_task_of_the_redis_store_ends_the_process() {
    check_each_redis_task(&[], &shared_redis().url());
}

// The tasks exist before a server answers, so these need none.
#[test]
fn panic_in_any_task_of_a_sentinel_store_ends_the_process() {
    let url = "redis-sentinel://127.0.0.1:1?sentinelServiceName=mymaster";
    check_each_redis_task(&["Redis sentinel"], url);
}

#[test]
fn panic_in_any_task_of_a_cluster_store_ends_the_process() {
    check_each_redis_task(&["Redis cluster map"], "redis-cluster://127.0.0.1:1");
}

#[track_caller]
fn check_each_redis_task(of_the_topology: &[&str], url: &str) {
    let every_topology = [
        "Redis connections",
        "Redis checks",
        "Redis rollback queue",
        "Redis pseudonym key",
        "Redis change feed",
    ];
    let own = [of_the_topology, &every_topology].concat();
    check_each_task(
        &own,
        &format!("store.backend=redis\nstore.redis.url={url}\nmsc4108.enabled=true"),
    );
}

/// The tasks of an application with these settings are exactly `own` and [`EVERY_APP`], and a panic in
/// each of them ends the process.
#[track_caller]
fn check_each_task(own: &[&str], settings: &str) {
    let listed = run("", settings);
    let output = String::from_utf8_lossy(&listed.stdout);
    let names: Vec<_> = output
        .lines()
        .filter_map(|line| Some(line.split_once("task: ")?.1))
        .collect();
    assert_eq!(names, [own, &EVERY_APP].concat(), "{listed:?}");
    for name in names {
        let ended = run(name, settings);
        let log = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{name}: {log}");
        let line = format!("a background task panicked: stopping task=\"{name}\"");
        assert!(log.contains(&line), "{line} is not in {log}");
        let error = format!("matrix-rendezvous: the background task \"{name}\" panicked");
        assert!(log.contains(&error), "{error} is not in {log}");
        assert!(!log.contains("text of the panic"), "{log}");
    }
}

fn run(task: &str, settings: &str) -> Output {
    let child = [
        "--ignored",
        "--exact",
        "panics::tasks::app_with_a_panicking_task",
        "--nocapture",
    ];
    Command::new(std::env::current_exe().expect("this test"))
        .args(child)
        .env(TASK, task)
        .env(SETTINGS, settings)
        .output()
        .expect("the process starts")
}

#[test]
#[ignore = "the process in which a task panics, for the tests above"]
fn app_with_a_panicking_task() {
    let variable = |name| std::env::var(name).expect("set by the tests above");
    let (task, settings) = (variable(TASK), variable(SETTINGS));
    let addresses = "http.listen=127.0.0.1:0\nadmin.listen=127.0.0.1:0";
    let settings = format!("{addresses}\n{settings}");
    let flags = settings
        .lines()
        .map(|line| line.split_once('=').expect("key=value"))
        .map(|(key, value)| ("--set".to_owned(), key.to_owned(), value.to_owned()));
    let sources = Sources {
        flags: flags.collect(),
        ..Sources::default()
    };
    let Startup {
        config,
        raw,
        prepared,
    } = startup::load(&sources).expect("good settings");
    let level = logs::parse_level("info").expect("a level");
    let log = Arc::new(logs::init(level, LogFormat::Text).expect("the first log"));
    let reload = ReloadContext {
        redis: prepared.redis_layout(),
        sources,
        raw,
        log: Arc::clone(&log),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(async {
        let (signals, hangup) = (Signals::catch(), ReloadSignal::catch());
        let hangup = hangup.expect("a handler");
        let app = App::build(config, prepared, PassedSockets::default(), reload, hangup);
        let mut app = app.await.expect("free ports");
        for task in &app.tasks {
            println!("task: {}", task.name);
        }
        if task.is_empty() {
            exit(0);
        }
        panic_soon(&mut app.tasks, &task);
        app.serve(signals.expect("a handler")).await
    });
    // As in `main`: the tasks hold the log, whose last clone writes the lines that are left.
    runtime.shutdown_timeout(Duration::from_millis(500));
    drop(log);
    let error = ended.expect_err("a task panicked");
    eprintln!("matrix-rendezvous: {error}");
    exit(1);
}

/// Replaces a task by one that runs it for [`RUNS_FOR`] and then panics.
fn panic_soon(tasks: &mut [BackgroundTask], name: &str) {
    let task = tasks.iter_mut().find(|task| task.name == name);
    let task = task.expect("a task of this name");
    let real = std::mem::replace(&mut task.future, Box::pin(std::future::pending()));
    task.future = Box::pin(async move {
        let _ended = tokio::time::timeout(RUNS_FOR, real).await;
        panic!("text of the panic");
    });
}
