//! Reads `/metrics` of the admin listener as Prometheus reads it.
//!
//! A sample that is absent is a failure and never a zero: the server must export every label set
//! from its start.

use crate::server::Server;

/// The text of one scrape.
#[derive(Debug)]
pub struct Metrics(pub String);

impl Server {
    /// Scrapes `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let reply = self.admin_get("/metrics").expect(200);
        Metrics(String::from_utf8(reply.body).expect("text"))
    }
}

impl Metrics {
    /// The sum of the samples of a metric that have at least these labels.
    #[track_caller]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let wanted: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        let has_all = |labels: &str| wanted.iter().all(|label| has_label(labels, label));
        let samples = self.samples(name);
        let mut matching = samples
            .iter()
            .filter(|(labels, _)| has_all(labels))
            .peekable();
        assert!(
            matching.peek().is_some(),
            "no sample {name} {labels:?} in\n{}",
            self.0
        );
        matching
            .map(|(_, value)| value.parse::<u64>().expect("a whole number"))
            .sum()
    }

    /// The value of one series, written as in the scrape: `name{label="value"}`.
    #[track_caller]
    pub fn value(&self, series: &str) -> u64 {
        let value = self.0.lines().find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            (name == series).then(|| value.parse().ok())?
        });
        value.unwrap_or_else(|| panic!("no series {series} in\n{}", self.0))
    }

    /// The samples of a metric: the text between the braces, and the value.
    pub fn samples(&self, name: &str) -> Vec<(&str, &str)> {
        let sample = |line| -> Option<(&str, &str)> {
            let (series, value) = str::rsplit_once(line, ' ')?;
            let labels = series.strip_prefix(name)?;
            let labels = match labels.strip_prefix('{') {
                Some(labels) => labels.strip_suffix('}')?,
                None if labels.is_empty() => "",
                None => return None,
            };
            Some((labels, value))
        };
        self.0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(sample)
            .collect()
    }
}

/// No label value of the server contains a comma or a quote.
fn has_label(labels: &str, wanted: &str) -> bool {
    labels.split(',').any(|label| label == wanted)
}
