//! `doctor --watch`: the metrics, the reports, and the end.

use super::inside::{authenticated, token_file};
use super::{service, url_of};
use crate::server::{Server, command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use tempfile::TempDir;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Connection, Request};

/// A doctor that watches, killed at the end of its test.
struct Watching {
    child: Child,
    metrics: SocketAddr,
}

impl Watching {
    fn start(arguments: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let metrics = free.local_addr().expect("an address");
        drop(free);
        let mut command = command();
        command.args(["doctor", "--watch", "10s", "--metrics-listen"]);
        // On all addresses, as in the chart.
        command.arg(format!(":{}", metrics.port())).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the binary starts");
        Self { child, metrics }
    }

    /// The samples of `/metrics` once it has one with these words.
    fn samples_with(&self, words: &str) -> String {
        eventually("the metrics have the sample", || {
            let mut connection = Connection::try_open(self.metrics).ok()?;
            let page = connection.send(&Request::get("/metrics")).expect(200).body;
            let page = String::from_utf8(page).expect("text");
            page.contains(words).then_some(page)
        })
    }

    /// The lines of its reports up to one that begins with these words.
    fn lines_until(&mut self, words: &str) -> Vec<String> {
        lines_until(self.child.stdout.take().expect("piped"), words)
    }

    /// The lines of its errors up to one that begins with these words.
    fn errors_until(&mut self, words: &str) -> Vec<String> {
        lines_until(self.child.stderr.take().expect("piped"), words)
    }
}

fn lines_until(output: impl Read, words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("text");
        let is_last = line.starts_with(words);
        lines.push(line);
        if is_last {
            return lines;
        }
    }
    panic!("the output ended: {lines:#?}");
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn sample(target: &str, id: &str, value: u8) -> String {
    format!("rendezvous_doctor_check{{id=\"{id}\",target=\"{target}\"}} {value}\n")
}

#[test]
fn watch_shows_the_checks_of_the_last_run_and_ends_by_sigterm() {
    let server = service();
    let target = url_of(&server);
    let mut doctor = Watching::start(&[&target]);
    let samples = doctor.samples_with(&sample(&target, "delete", 1));
    // A warning is no failure, and a skipped check has no series.
    assert!(samples.contains(&sample(&target, "session-url", 1)));
    assert!(!samples.contains("id=\"certificate\""), "{samples}");
    assert!(samples.contains("\nrendezvous_doctor_last_run_timestamp_seconds 1"));
    let mut connection = Connection::open(doctor.metrics);
    connection.send(&Request::get("/healthz")).expect(200);
    let pid = i32::try_from(doctor.child.id()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a signal");
    let status = eventually("it ends", || doctor.child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
}

/// The report is printed again, and the metric is 0.
#[test]
fn check_that_fails_later_is_reported() {
    let server = service();
    let target = url_of(&server);
    let mut doctor = Watching::start(&[&target]);
    doctor.samples_with(&sample(&target, "create", 1));
    drop::<Server>(server);
    doctor.samples_with(&sample(&target, "create", 0));
    let lines = doctor.lines_until("FAIL create");
    let reports = lines
        .iter()
        .filter(|line| line.starts_with("matrix-rendezvous doctor"));
    assert_eq!(reports.count(), 2, "{lines:#?}");
}

/// The time at which the last run ended, of a page of metrics.
fn last_run(page: &str) -> &str {
    let name = "rendezvous_doctor_last_run_timestamp_seconds ";
    let mut lines = page.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .expect("a time")
}

/// The doctor runs on, so that it has results again once the file is valid. Its last results stay, with
/// the time of their run, by which `RendezvousDoctorStopped` fires.
#[test]
fn watch_survives_a_configuration_that_becomes_invalid() {
    let server = service();
    let target = url_of(&server);
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("config.toml");
    let write = |text: &str| std::fs::write(&config, text).expect("a file");
    write("mode = \"open\"\nmsc4108.enabled = true\n");
    let path = config.to_str().expect("text");
    let mut doctor = Watching::start(&["--config", path, &target]);
    let before = doctor.samples_with(&sample(&target, "configuration", 1));
    write("mode = \"nonsense\"\n");
    let errors = doctor.errors_until("mode: ");
    let said = errors
        .iter()
        .any(|line| line.contains("the configuration cannot be used"));
    assert!(said, "{errors:#?}");
    let during = doctor.samples_with(&sample(&target, "configuration", 1));
    assert_eq!(last_run(&during), last_run(&before));
    write("mode = \"open\"\nmsc4108.enabled = true\n");
    eventually("a run has results", || {
        let page = doctor.samples_with(&sample(&target, "configuration", 1));
        (last_run(&page) != last_run(&before)).then_some(())
    });
}

/// Access tokens expire: an operator replaces the file, without a restart of the doctor.
#[test]
fn watch_reads_the_token_file_before_each_run() {
    const TOKEN: &str = "a-token-of-alice";
    let homeserver = HomeserverStub::start();
    homeserver.set_default_reply(Some(TokenReply::unknown_token()));
    homeserver.set_reply(TOKEN, TokenReply::user("@alice:example.org"));
    let server = authenticated(&homeserver);
    let target = url_of(&server);
    let (_directory, path) = token_file("a-token-that-has-expired");
    let arguments = ["--token-file", path.to_str().expect("text"), &target];
    let doctor = Watching::start(&arguments);
    doctor.samples_with(&sample(&target, "authorization", 0));
    std::fs::write(&path, TOKEN).expect("a file");
    let samples = doctor.samples_with(&sample(&target, "authorization", 1));
    assert!(
        samples.contains(&sample(&target, "json-exchange", 1)),
        "{samples}"
    );
}

#[test]
fn address_of_the_metrics_that_is_taken_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("an address");
    let watch = |listen: &str| {
        let options = ["--watch", "10s", "--metrics-listen", listen];
        super::run(&[&["doctor"], &options[..], &["a.example"]].concat(), &[])
    };
    for listen in [taken.to_string(), format!(":{}", taken.port())] {
        let run = watch(&listen).expect(2);
        let error = format!("--metrics-listen {listen}: Address already in use");
        assert!(run.stderr.contains(&error), "{run:#?}");
    }
    watch("nonsense").expect_refused(&["--metrics-listen", "such as 127.0.0.1:8080"]);
    super::run(&["doctor", "--watch", "1s", "a.example"], &[]).expect_refused(&["at least 10s"]);
}
