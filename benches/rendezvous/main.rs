//! The benchmark: the server and its baselines, in one run on one machine.
//!
//! For changes of the hot path, and for docs/performance.md. Run `cargo bench --bench rendezvous`;
//! options follow `--`, and `--help` lists them. It starts the real binary, a real redis-server and
//! the baselines (this program again) as processes, and puts load on them in turn. It prints
//! requests/s, latencies, errors, CPU and memory as Markdown, then ratios and targets. Load and
//! servers share the machine's cores, as the targets say. The exit code does not depend on the
//! targets: a shared machine would fail builds.

// The server takes clock and environment as arguments, so that tests can replace them. A benchmark
// measures the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "it measures real time, and starts processes"
)]

mod baselines;
mod connection_memory;
mod histogram;
mod load;
mod machine;
mod memory;
mod options;
mod payload;
mod report;
mod runner;
mod scale;
mod scenario;
mod servers;
mod sign_ins;
mod targets;
mod units;

use clap::Parser;
use options::Options;
use runner::{Case, CaseResult};
use servers::{ServerOptions, Store};
use std::process::ExitCode;
use targets::Sizes;
use testkit::redis::RedisServer;
use testkit::redis::launch::require_redis_server;

/// Without persistence: a fork during a round would be measured. With `noeviction`, because the
/// server does not start with another policy.
const REDIS_OPTIONS: &[&str] = &["--appendonly", "no", "--maxmemory-policy", "noeviction"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == baselines::ARGUMENT => baselines::run(rest),
        Some((first, rest)) if first == sign_ins::load::ARGUMENT => sign_ins::load::run(rest),
        // `cargo bench` passes `--bench`. `cargo test --all-targets` runs this program too, with
        // other arguments.
        _ if !arguments.iter().any(|argument| argument == "--bench") => {
            eprintln!("to measure: cargo bench --bench rendezvous");
            Ok(())
        }
        _ => run(&Options::parse(), &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, arguments: &[String]) -> Result<(), String> {
    if options.scale {
        let redis = scale::run(options)?;
        print_origin(Some(&redis), arguments);
        return Ok(());
    }
    if options.sign_ins {
        let redis = sign_ins::run(options)?;
        print_origin(redis.as_ref(), arguments);
        return Ok(());
    }
    if options.memory {
        let redis = connection_memory::run(options)?;
        print_origin(redis.as_ref(), arguments);
        return Ok(());
    }
    let stores = options.stores();
    let redis = if stores.contains(&Store::Redis) {
        require_redis_server().map_err(|error| {
            format!("{error}. To measure the memory store alone: --store memory")
        })?;
        Some(RedisServer::start_with(REDIS_OPTIONS))
    } else {
        None
    };
    let model = servers::model_reply(options.baseline_headers)?;
    let sizes = sizes(&stores, redis.as_ref())?;
    let mut cases = Vec::new();
    for store in stores {
        let redis = redis.as_ref().filter(|_| store == Store::Redis);
        cases.extend(measure_store(
            options,
            ServerOptions {
                store,
                redis,
                limits: false,
                threads: None,
            },
            &model,
        )?);
    }
    print_origin(redis.as_ref(), arguments);
    report::print_cases(&cases);
    report::print_other_processes(&cases);
    println!();
    report::print_targets(&targets::evaluate(&cases, &sizes));
    Ok(())
}

fn print_origin(redis: Option<&RedisServer>, arguments: &[String]) {
    println!("Machine: {}.", machine::describe(redis));
    println!("Command: `{}`\n", command(arguments));
}

fn sizes(stores: &[Store], redis: Option<&RedisServer>) -> Result<Sizes, String> {
    eprintln!("sizes…");
    let idle = stores
        .iter()
        .map(|store| Ok((*store, memory::idle(*store, redis)?)));
    let idle = idle.collect::<Result<_, String>>()?;
    Ok(Sizes {
        idle,
        redis_session: redis.map(memory::redis_session).transpose()?,
    })
}

fn measure_store(
    options: &Options,
    server: ServerOptions<'_>,
    model: &str,
) -> Result<Vec<CaseResult>, String> {
    let mut cases = Vec::new();
    for scenario in options.scenarios() {
        for connections in options.connections() {
            let (store, name) = (server.store.name(), scenario.name());
            eprintln!("{store}, {name}, {connections} connections…");
            let case = Case {
                scenario,
                connections,
                rounds: options.rounds(targets::has_target(server.store, scenario, connections)),
                window: options.window(),
                worker_threads: options.worker_threads(),
                // The load may use every core. Otherwise it would be the bottleneck and improve
                // every ratio.
                threads: machine::cores(),
            };
            cases.push(runner::measure(case, server, model)?);
        }
    }
    Ok(cases)
}

/// The command as a user types it.
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
