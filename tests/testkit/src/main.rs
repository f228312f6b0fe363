//! The test kit as a program, for the scripts in `tests/observe` and `tests/sizing`.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts and stops load"
)]

mod commands;

use clap::Parser;
use commands::{connections, homeserver, pollers, polls, sessions, sign_ins, traffic};
use std::process::ExitCode;

/// Stand-ins and load for tests of matrix-rendezvous
#[derive(Debug, Parser)]
#[command(name = "testkit", max_term_width = 100)]
enum Command {
    /// Runs a homeserver that only says which user an access token belongs to
    Homeserver(homeserver::Arguments),
    /// Runs sign-ins, and all that can happen instead of one, until SIGTERM
    Traffic(traffic::Arguments),
    /// Creates sessions that no device completes
    Sessions(sessions::Arguments),
    /// Holds connections without a request, until it is killed
    Connections(connections::Arguments),
    /// Runs sign-ins one after the other on each connection, as fast as possible
    SignIns(sign_ins::Arguments),
    /// Polls one session as fast as possible
    Polls(polls::Arguments),
    /// Runs devices that poll once a second, two of them on each session
    Pollers(pollers::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Homeserver(arguments) => homeserver::run(&arguments),
        Command::Traffic(arguments) => traffic::run(&arguments).await,
        Command::Sessions(arguments) => sessions::run(&arguments).await,
        Command::Connections(arguments) => connections::run(&arguments),
        Command::SignIns(arguments) => sign_ins::run(&arguments).await,
        Command::Polls(arguments) => polls::run(&arguments).await,
        Command::Pollers(arguments) => pollers::run(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testkit: {error}");
            ExitCode::FAILURE
        }
    }
}
