//! The admin listener's `/metrics`, read as Prometheus reads it.
//!
//! For tests that look at what the server counted. A sample that is not there is a failure, never a zero:
//! every label set must be present from the start.

use super::http::Reply;
use super::server::Server;

/// One scrape.
#[derive(Debug)]
pub struct Metrics(pub String);

impl Server {
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let reply: Reply = self.admin_get("/metrics").expect(200);
        Metrics(String::from_utf8(reply.body).expect("text"))
    }
}

impl Metrics {
    /// The sum of the samples of one name whose labels are among others these.
    #[track_caller]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let wanted: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        let samples = self.samples(name);
        let mut fitting = samples
            .iter()
            .filter(|(of, _)| wanted.iter().all(|one| has(of, one)))
            .peekable();
        assert!(
            fitting.peek().is_some(),
            "no sample {name} {labels:?} in\n{}",
            self.0
        );
        fitting
            .map(|(_, value)| value.parse::<u64>().expect("a whole number"))
            .sum()
    }

    /// The samples of one name: what stands in the braces, and the value.
    pub fn samples(&self, name: &str) -> Vec<(&str, &str)> {
        let of = |line| -> Option<(&str, &str)> {
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
            .filter_map(of)
            .collect()
    }
}

/// No label value of this service holds a comma or a quote.
fn has(labels: &str, wanted: &str) -> bool {
    labels.split(',').any(|label| label == wanted)
}
