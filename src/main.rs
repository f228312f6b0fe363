//! matrix-rendezvous: arguments, configuration, telemetry, app, exit code.

use matrix_rendezvous::app::reload::ReloadContext;
use matrix_rendezvous::cli::reference;
use matrix_rendezvous::cli::{Cli, Command, ConfigCommand, EXIT_NO_REPORT, EXIT_USAGE};
use matrix_rendezvous::config::Sources;
use matrix_rendezvous::config::schema::json_schema;
use matrix_rendezvous::doctor::{DoctorOptions, Verdict};
use matrix_rendezvous::net::passed_sockets::PassedSockets;
use matrix_rendezvous::startup::{self, Startup};
use matrix_rendezvous::telemetry::logs;
use matrix_rendezvous::telemetry::printable::{Printable, print_error};
use matrix_rendezvous::{app, doctor, healthcheck, open_files};
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Wait for blocking threads after the last connection ended. A thread that hangs on a file or on the
/// resolution of a name must not hold the process.
const THREAD_GRACE: Duration = Duration::from_millis(500);

/// Why a command failed.
type CommandError = Box<dyn Error + Send + Sync>;

/// The environment variable of tokio.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

fn main() -> ExitCode {
    let cli = match Cli::parse_arguments() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let sources = cli.overrides.sources(environment());
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => with_configuration(sources, serve),
        Command::Config(ConfigCommand::Check) => with_configuration(sources, check_config),
        Command::Config(ConfigCommand::Print) => with_configuration(sources, print_config),
        Command::Config(ConfigCommand::Schema) => {
            let schema = json_schema();
            without_configuration(std::io::stdout().write_all(schema.as_bytes()))
        }
        Command::Healthcheck => with_configuration(sources, |startup, _| {
            healthcheck::run(startup.config.admin_listen.first()).map_err(Into::into)
        }),
        Command::Doctor(options) => diagnose(*options, &sources),
        Command::Man { directory } => without_configuration(reference::write_man_pages(&directory)),
        Command::Completions { shell } => {
            without_configuration(reference::write_completions(shell, &mut std::io::stdout()))
        }
    }
}

/// Returns the exit code of a command that reads no configuration.
fn without_configuration(result: Result<(), impl Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("matrix-rendezvous: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that needs a valid configuration.
fn with_configuration(
    sources: Sources,
    command: impl FnOnce(Startup, Sources) -> Result<(), CommandError>,
) -> ExitCode {
    let startup = match startup::load(&sources) {
        Ok(startup) => startup,
        Err(error) => {
            print_error(&format!("configuration error:\n{error}"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if let Err(error) = command(startup, sources) {
        print_error(&format!("matrix-rendezvous: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a command of `with_configuration`"
)]
fn check_config(startup: Startup, _: Sources) -> Result<(), CommandError> {
    let mut config = startup.config;
    let too_few_files = open_files::limit_connections(&mut config);
    for warning in config.warnings().into_iter().chain(too_few_files) {
        print_error(&format!("warning: {warning}"));
    }
    println!("the configuration is valid");
    Ok(())
}

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a command of `with_configuration`"
)]
fn print_config(startup: Startup, _: Sources) -> Result<(), CommandError> {
    for line in startup.raw.to_string().lines() {
        println!("{}", Printable(line));
    }
    Ok(())
}

/// Runs the doctor. It needs no configuration if it is told what to check.
fn diagnose(options: DoctorOptions, sources: &Sources) -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("matrix-rendezvous: {error}"));
            return ExitCode::from(EXIT_NO_REPORT);
        }
    };
    let verdict = runtime.block_on(doctor::run(options, sources));
    runtime.shutdown_timeout(THREAD_GRACE);
    match verdict {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => {
            print_error(&format!("matrix-rendezvous: {error}"));
            ExitCode::from(if error.is_usage() {
                EXIT_USAGE
            } else {
                EXIT_NO_REPORT
            })
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read"
)]
fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Builds the runtime: one thread, or as many as `TOKIO_WORKER_THREADS` says.
///
/// A request passes between the tasks of its connection and of the store's connection. On one thread
/// that costs no wake-up of another, and a second thread is slower (ADR 17). More cores are for
/// more replicas.
///
/// # Errors
/// The variable is not a number from 1 on, or the operating system refuses what a runtime needs.
fn runtime(env: &[(OsString, OsString)]) -> Result<Runtime, CommandError> {
    let threads = worker_threads(env)?;
    let mut builder = if threads == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}

/// The value of `TOKIO_WORKER_THREADS`, or 1. Tokio itself would panic if it is empty.
fn worker_threads(env: &[(OsString, OsString)]) -> Result<usize, String> {
    let variable = env.iter().find(|(name, _)| name == WORKER_THREADS);
    match variable {
        Some((_, value)) if !value.is_empty() => {
            let number = value.to_str().and_then(|text| text.parse().ok());
            let number: Option<NonZero<usize>> = number;
            let number =
                number.ok_or_else(|| format!("{WORKER_THREADS}: expected a number from 1 on"))?;
            Ok(number.get())
        }
        _ => Ok(1),
    }
}

fn serve(startup: Startup, sources: Sources) -> Result<(), CommandError> {
    let (config, raw) = (startup.config, startup.raw);
    let level = logs::parse_level(&config.telemetry.log_level)?;
    // Before a runtime or a thread starts.
    let sockets = PassedSockets::take(&sources.env)?;
    let runtime = runtime(&sources.env)?;
    // Held to the end: dropping the last clone writes the lines that are left.
    let log = Arc::new(logs::init(level, config.telemetry.log_format)?);
    let reload = ReloadContext {
        redis: startup.prepared.redis_layout(),
        sources,
        raw,
        log: Arc::clone(&log),
    };
    let ended = runtime.block_on(app::run(config, startup.prepared, sockets, reload));
    runtime.shutdown_timeout(THREAD_GRACE);
    if ended? {
        Ok(())
    } else {
        Err("connections were cut".into())
    }
}

#[cfg(test)]
mod tests {
    use super::{WORKER_THREADS, runtime};
    use tokio::runtime::RuntimeFlavor;

    #[test]
    fn worker_has_one_thread_unless_the_variable_asks_for_more() {
        for (value, flavor) in [
            ("", RuntimeFlavor::CurrentThread),
            ("1", RuntimeFlavor::CurrentThread),
            ("2", RuntimeFlavor::MultiThread),
        ] {
            let built = runtime(&[(WORKER_THREADS.into(), value.into())]).expect("a runtime");
            assert_eq!(built.handle().runtime_flavor(), flavor, "{value}");
        }
    }
}
