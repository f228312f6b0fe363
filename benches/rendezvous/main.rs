//! The benchmark: the server against the floors that it stands on, in one run on one machine.
//!
//! For whoever changes the hot path, and for docs/performance.md. `cargo bench --bench rendezvous`;
//! options after `--`, `--help` names them. It starts the real binary, a real redis-server and the
//! floors (this program again) as processes, loads them in turn, and prints requests/s, latencies,
//! errors, CPU and memory as Markdown, ratios and targets last. Load and servers share the machine's
//! cores, as the targets say. It never judges by exit code: a shared machine would fail builds.

// The house keeps clock and environment in one place, so that tests can replace them. A benchmark
// measures the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod client;
mod control;
mod floors;
mod footprint;
mod histogram;
mod load;
mod machine;
mod measure;
mod options;
mod payload;
mod process;
mod redis;
mod report;
mod scenario;
mod servers;
mod targets;

use clap::Parser;
use measure::{Case, Cell};
use options::Options;
use redis::Redis;
use servers::{Setting, Store};
use std::process::ExitCode;
use targets::Sizes;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == floors::ARGUMENT => floors::run(rest),
        // `cargo bench` says so; `cargo test --all-targets` runs us too, with arguments of its own.
        _ if !arguments.iter().any(|argument| argument == "--bench") => {
            eprintln!("to measure: cargo bench --bench rendezvous");
            Ok(())
        }
        _ => run(&Options::parse(), &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, arguments: &[String]) -> Result<(), String> {
    let stores = options.stores();
    let redis = stores
        .contains(&Store::Redis)
        .then(Redis::start)
        .transpose()?;
    let model = servers::model_reply(options.floor_headers)?;
    let sizes = sizes(&stores, redis.as_ref())?;
    let mut cells = Vec::new();
    for store in stores {
        let redis = redis.as_ref().filter(|_| store == Store::Redis);
        cells.extend(measure_store(
            options,
            Setting {
                store,
                redis,
                limits: false,
            },
            &model,
        )?);
    }
    println!("Machine: {}.", machine::describe(redis.as_ref()));
    println!("Command: `{}`\n", command(arguments));
    report::cells(&cells);
    report::company(&cells);
    println!();
    report::targets(&targets::judge(&cells, &sizes));
    Ok(())
}

fn sizes(stores: &[Store], redis: Option<&Redis>) -> Result<Sizes, String> {
    eprintln!("sizes…");
    let idle = stores
        .iter()
        .map(|store| Ok((*store, footprint::idle(*store, redis)?)));
    let idle = idle.collect::<Result<_, String>>()?;
    Ok(Sizes {
        idle,
        redis_session: redis.map(footprint::redis_session).transpose()?,
    })
}

fn measure_store(
    options: &Options,
    setting: Setting<'_>,
    model: &str,
) -> Result<Vec<Cell>, String> {
    let mut cells = Vec::new();
    for scenario in options.scenarios() {
        for connections in options.connections() {
            let (store, name) = (setting.store.name(), scenario.name());
            eprintln!("{store}, {name}, {connections} connections…");
            let case = Case {
                scenario,
                connections,
                rounds: options.rounds(targets::is_judged(setting.store, scenario, connections)),
                window: options.window(),
                // The load may use every core, or it would be the bottleneck and flatter every ratio.
                threads: machine::cores(),
            };
            cells.push(measure::cell(case, setting, model)?);
        }
    }
    Ok(cells)
}

/// The command as a reader would type it.
fn command(arguments: &[String]) -> String {
    let mut command = "cargo bench --bench rendezvous".to_owned();
    let given: Vec<_> = arguments
        .iter()
        .filter(|argument| *argument != "--bench")
        .collect();
    if !given.is_empty() {
        command.push_str(" --");
    }
    for argument in given {
        command.push(' ');
        command.push_str(argument);
    }
    command
}
