//! Formats of measured values, for the tables.

use std::time::Duration;

/// Milliseconds with the digits that matter from 10 µs to a second.
pub fn millis(latency: Option<Duration>) -> String {
    latency.map_or("–".to_owned(), |latency| {
        format!("{:.2}", latency.as_secs_f64() * 1e3)
    })
}

/// Megabytes of a million bytes.
pub fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}
