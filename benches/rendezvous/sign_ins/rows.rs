//! The rows of the tables: the number of pairs, the workers, the store, with holds and without.

use crate::options::Options;
use crate::servers::Store;
use rustix::process::{Resource, getrlimit};
use std::fmt;

/// Pairs of the first row: an idle server.
const FEW: u32 = 100;

/// Workers that share one Redis.
const REPLICAS: usize = 3;

/// Descriptors of a worker beside its clients' connections, as the server itself reserves them, and
/// some for connections that close while others open.
const RESERVE: u32 = 300;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Number of sign-ins, of two devices each.
    pub pairs: u32,
    /// Number of server processes.
    pub workers: usize,
    /// Where they keep sessions.
    pub store: Store,
    /// Whether the server holds a poll shortly.
    pub holds: bool,
    /// Sign-ins that begin per second.
    pub rate: u32,
}

impl Row {
    /// `http.max_connections`: each device keeps its connection until the row ends.
    pub fn max_connections(&self) -> u32 {
        let each = 2 * self.pairs / u32::try_from(self.workers).unwrap_or(1);
        each + RESERVE
    }

    /// Checks that the limit of open files allows the connections of a worker.
    fn check_open_files(&self) -> Result<(), String> {
        let needed = self.max_connections() + RESERVE;
        match getrlimit(Resource::Nofile).maximum {
            Some(limit) if limit < u64::from(needed) => Err(format!(
                "{self}: the hard limit of open files is {limit}, and a worker needs {needed}. Raise it, or \
                 choose fewer pairs: --pairs"
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, holds) = (self.store.name(), if self.holds { "on" } else { "off" });
        write!(
            f,
            "{} pairs, {} workers, {store}, holds {holds}",
            self.pairs, self.workers
        )
    }
}

/// Sign-ins that begin per second if the options name no rate. At 150 a second, a sign-in on Redis took
/// 5 to 7 ms of CPU time in workers, Redis and load. So they leave half of two cores free. A row with
/// fewer pairs has a lower rate, so that it lasts longer than one sign-in.
fn default_rate(pairs: u32) -> u32 {
    match pairs {
        ..=FEW => 20,
        101..=1000 => 50,
        _ => 150,
    }
}

/// The rows that the options select. Those of one group are measured at the same time.
///
/// # Errors
/// If the limit of open files is too low for a row.
pub fn groups(options: &Options) -> Result<Vec<Vec<Row>>, String> {
    let stores = options.stores();
    let cases = [
        (FEW, 1, Store::Memory),
        (FEW, 1, Store::Redis),
        (FEW, REPLICAS, Store::Redis),
        (1000, 1, Store::Memory),
        (1000, 1, Store::Redis),
        (1000, REPLICAS, Store::Redis),
        (9000, 1, Store::Memory),
        (9000, 1, Store::Redis),
        (10_000, REPLICAS, Store::Redis),
    ];
    let is_selected = |(pairs, _, store): &(u32, usize, Store)| {
        stores.contains(store) && options.has_pairs(*pairs) && (*pairs == FEW || !options.quick)
    };
    let mut rows = Vec::new();
    for (pairs, workers, store) in cases.into_iter().filter(is_selected) {
        for holds in [false, true] {
            let row = Row {
                pairs,
                workers,
                store,
                holds,
                rate: options.rate.unwrap_or_else(|| default_rate(pairs)),
            };
            row.check_open_files()?;
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Err("no row of --sign-ins has this number of pairs on this store".to_owned());
    }
    if options.quick {
        return Ok(vec![rows]);
    }
    Ok(rows.into_iter().map(|row| vec![row]).collect())
}
