//! The command line of the benchmark, after `cargo bench --bench rendezvous --`.

use crate::scenario::Scenario;
use crate::servers::{BaselineHeaders, Store};
use clap::Parser;
use std::time::Duration;

/// Measures the server against its baselines, on this machine, and prints Markdown.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench rendezvous --", max_term_width = 100)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Options {
    /// Half a minute instead of eleven: one connection count and short rounds, for a first look only
    #[arg(long)]
    pub quick: bool,
    /// Measures how far one Redis goes, for docs/redis.md, instead of the baselines
    #[arg(long, conflicts_with_all = ["only", "store", "connections"])]
    pub scale: bool,
    /// Measures sign-ins as the released clients make them, with holds and without, instead of the
    /// baselines; with --quick 100 pairs only
    #[arg(long, conflicts_with_all = ["scale", "only", "connections", "seconds", "rounds", "worker_threads"])]
    pub sign_ins: bool,
    /// Measures the memory of an open connection, instead of the baselines' speed
    #[arg(long, conflicts_with_all = ["scale", "sign_ins", "only", "connections", "seconds", "worker_threads"])]
    pub memory: bool,
    /// Rows of --sign-ins to measure, by their number of pairs: 100, 1000, 9000, 10000 [default: all]
    #[arg(
        long,
        value_delimiter = ',',
        requires = "sign_ins",
        conflicts_with = "quick"
    )]
    pairs: Vec<u32>,
    /// Sign-ins of --sign-ins that begin per second [default: 20 with 100 pairs, 50 with 1000, else 150]
    #[arg(long, requires = "sign_ins", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: Option<u32>,
    /// Scenarios to measure [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Stores to measure on [default: both]
    #[arg(long, value_enum, value_delimiter = ',')]
    store: Vec<Store>,
    /// Connections, a list [default: 1,50,500; quick: 50]
    #[arg(long, value_delimiter = ',', value_parser = connections)]
    connections: Vec<usize>,
    /// Length of a round [default: 1.25; quick: 0.5]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// Rounds of each server, in turn [default: 5, and 15 if there is a target; quick: 3]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Worker threads of our server (`TOKIO_WORKER_THREADS`), a list: each number is measured in every
    /// case [default: 1]
    #[arg(long, value_delimiter = ',', value_parser = worker_threads, conflicts_with = "scale")]
    worker_threads: Vec<Option<u16>>,
    /// Headers of the baselines' replies: the server's own, or Content-Type alone
    #[arg(long, value_enum, default_value = "same")]
    pub baseline_headers: BaselineHeaders,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// The scenarios, in the order of the tables.
    pub fn scenarios(&self) -> Vec<Scenario> {
        match self.only.as_slice() {
            [] => vec![
                Scenario::Create,
                Scenario::Poll,
                Scenario::Write,
                Scenario::Flow,
            ],
            only => only.to_vec(),
        }
    }

    /// The stores.
    pub fn stores(&self) -> Vec<Store> {
        match self.store.as_slice() {
            [] => vec![Store::Memory, Store::Redis],
            only => only.to_vec(),
        }
    }

    /// Whether the rows of `--sign-ins` with this number of pairs are measured.
    pub fn has_pairs(&self, pairs: u32) -> bool {
        self.pairs.is_empty() || self.pairs.contains(&pairs)
    }

    /// The connection counts: 1 (latency alone), the targets' 50, and the 500 that the documents
    /// promise.
    pub fn connections(&self) -> Vec<usize> {
        match (self.connections.as_slice(), self.quick) {
            ([], true) => vec![50],
            ([], false) => vec![1, 50, 500],
            (given, _) => given.to_vec(),
        }
    }

    /// The numbers of worker threads of our server. `None` is its default.
    pub fn worker_threads(&self) -> &[Option<u16>] {
        match self.worker_threads.as_slice() {
            [] => &[None],
            given => given,
        }
    }

    /// Length of a round. A second and a quarter is 125 ticks of CPU time on each core, so the
    /// rounding is below 1 %. It is short enough that a slow period of the machine affects both
    /// servers.
    pub fn window(&self) -> Duration {
        let default = if self.quick { 500 } else { 1250 };
        self.seconds.unwrap_or(Duration::from_millis(default))
    }

    /// Rounds of each server. An odd number has a round in the middle, and five rounds tolerate two
    /// bad ones. Pairs differ by a tenth and more on a shared machine, so a case with a target has
    /// fifteen.
    pub fn rounds(&self, has_target: bool) -> usize {
        let default = match (self.quick, has_target) {
            (true, _) => 3,
            (false, true) => 15,
            (false, false) => 5,
        };
        self.rounds.unwrap_or(default).into()
    }
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=10_000) => Ok(number),
        _ => Err("expected 1 to 10000, which is the server's own maximum".to_owned()),
    }
}

fn worker_threads(text: &str) -> Result<Option<u16>, String> {
    match text.parse() {
        Ok(number @ 1..=1024) => Ok(Some(number)),
        _ => Err("expected 1 to 1024".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected 0.1 to 3600 seconds".to_owned()),
    }
}
