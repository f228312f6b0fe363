//! Starts redis-server or a compatible server, and decides from its log whether it is ready.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Process;
use crate::until;

/// The executable that is started, if the environment names none.
const REDIS_SERVER: &str = "redis-server";

/// The environment variable with the path of another executable that takes the same options.
const EXECUTABLE_VARIABLE: &str = "TESTKIT_REDIS_SERVER";

/// What redis-server logs when it serves clients.
pub const READY: &str = "Ready to accept connections";
/// What redis-server logs when it begins to load a snapshot. It replies `LOADING` from then on.
pub const LOADING: &str = "Loading RDB produced by";
/// What a sentinel logs when it serves clients.
pub const SENTINEL_READY: &str = "Sentinel ID is";

/// Starts redis-server in `dir`, and waits until its log contains `ready`.
///
/// Returns `None` if another process has the port. The log belongs to this process alone; a reply
/// on the port might be another server's.
#[track_caller]
pub fn launch(arguments: &[String], dir: &Path, ready: &str) -> Option<Process> {
    require_redis_server().unwrap_or_else(|error| panic!("{error}"));
    let path = dir.join("log");
    let mut command = Command::new(executable());
    command.args(arguments).current_dir(dir);
    let process = Process::start_with_log("redis-server", &mut command, &path);
    let mut port_is_taken = false;
    until("redis-server is ready", || {
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        port_is_taken = log.contains("Address already in use");
        let failed = log.contains("FATAL CONFIG") || log.contains("Fatal error");
        assert!(!failed, "redis-server does not start:\n{log}");
        port_is_taken || log.contains(ready)
    });
    (!port_is_taken).then_some(process)
}

fn executable() -> OsString {
    std::env::var_os(EXECUTABLE_VARIABLE).unwrap_or_else(|| REDIS_SERVER.into())
}

/// Checks that redis-server is installed.
///
/// # Errors
/// Says which package to install if it is not.
pub fn require_redis_server() -> Result<(), String> {
    let mut version = Command::new(executable());
    match version.arg("--version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("redis-server: {error}")),
        _ => Err(
            "redis-server is not on the path. Debian and Ubuntu: apt-get install redis-server (7.0 or \
             newer); Fedora: dnf install redis; Alpine: apk add redis"
                .to_owned(),
        ),
    }
}
