//! Latencies in fixed memory: a log-linear histogram of nanoseconds.
//!
//! For the load generator, which records a million requests a round at almost no cost. It never
//! allocates after its creation and keeps every outlier. It does not keep which request was slow.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Buckets per power of two are `2^SUB_BITS`: 64 of them keep every value within 1.6 %, well below
/// the noise of a shared machine, in 18 KiB, which stay in the first-level cache.
const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;

/// Longest latency with a bucket of its own: 2^40 ns, 18 minutes. No request outlives its round, so
/// none comes near it.
const MAX_NANOS: u64 = (1 << 40) - 1;

/// Values below `SUB` have a bucket each. Above, there are `SUB` buckets for each power of two up
/// to 2^40.
const BUCKETS: usize = ((40 - SUB_BITS as usize) + 1) << SUB_BITS;

/// Counts of latencies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }

    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos())
            .unwrap_or(MAX_NANOS)
            .min(MAX_NANOS);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// Number of latencies.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `per_mille` of a thousand requests do not exceed. It is the upper end of a
    /// bucket, so that the error is never in our favour. `None` if the histogram is empty.
    pub fn quantile(&self, per_mille: u64) -> Option<Duration> {
        let rank = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_nanos(upper_end(index)));
            }
        }
        None
    }
}

/// The bucket of a value, at most `MAX_NANOS`.
fn bucket(nanos: u64) -> usize {
    if nanos < SUB {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let shift = nanos.ilog2() - SUB_BITS;
    let index = (u64::from(shift) << SUB_BITS) + (nanos >> shift);
    usize::try_from(index).unwrap_or(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    let shift = (index >> SUB_BITS) - 1;
    ((index - (shift << SUB_BITS) + 1) << shift) - 1
}
