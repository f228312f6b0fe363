//! Metric families with closed label sets.
//!
//! A family resolves the handle of every series when it is registered. So every series is exported
//! at 0 before its first event, and recording an event costs an index and an atomic operation
//! instead of a look-up by label text.

use crate::model::label::Label;
use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// A family of counters.
pub type Counters<L> = Family<IntCounter, L>;

/// A family of gauges.
pub type Gauges<L> = Family<IntGauge, L>;

/// A family of histograms.
pub type Histograms<L> = Family<Histogram, L>;

/// The series of one metric, by the value of its label or the pair of values of its two labels.
#[derive(Debug)]
pub struct Family<M, L: LabelSet> {
    series: Vec<M>,
    values: L::Values,
}

/// The values of one label, or of two labels as a pair.
pub trait LabelSet: Copy {
    /// The registered values, as one slice per label.
    type Values: Copy;

    /// Returns the label values of each series, in the order of `position`.
    fn combinations(values: Self::Values) -> Vec<Vec<&'static str>>;

    /// Returns the position of this series, or `None` if it is not registered.
    fn position(self, values: Self::Values) -> Option<usize>;
}

impl<A: Label> LabelSet for A {
    type Values = (&'static [A],);

    fn combinations((values,): Self::Values) -> Vec<Vec<&'static str>> {
        labels(values).map(|label| vec![label]).collect()
    }

    fn position(self, (values,): Self::Values) -> Option<usize> {
        let index = self.index();
        (index < values.len()).then_some(index)
    }
}

impl<A: Label, B: Label> LabelSet for (A, B) {
    type Values = (&'static [A], &'static [B]);

    fn combinations((first, second): Self::Values) -> Vec<Vec<&'static str>> {
        labels(first)
            .flat_map(|a| labels(second).map(move |b| vec![a, b]))
            .collect()
    }

    fn position(self, (first, second): Self::Values) -> Option<usize> {
        let (a, b) = (self.0.index(), self.1.index());
        (a < first.len() && b < second.len()).then(|| a * second.len() + b)
    }
}

/// The labels of `values`, which must be the first values of their set: `position` goes by the
/// index.
fn labels<T: Label>(values: &'static [T]) -> impl Iterator<Item = &'static str> {
    values.iter().enumerate().map(|(position, value)| {
        assert_eq!(value.index(), position, "values in the order of their set");
        value.label()
    })
}

impl<M, L: LabelSet> Family<M, L> {
    fn resolve<B>(
        family: MetricVec<B>,
        values: L::Values,
        registry: &Registry,
    ) -> Result<Self, Error>
    where
        B: MetricVecBuilder<M = M> + 'static,
        MetricVec<B>: Collector,
    {
        let series = L::combinations(values)
            .iter()
            .map(|labels| family.with_label_values(labels))
            .collect();
        registry.register(Box::new(family))?;
        Ok(Self { series, values })
    }

    /// Returns the series of these label values, or `None` if the family does not have it.
    fn get(&self, labels: L) -> Option<&M> {
        self.series.get(labels.position(self.values)?)
    }
}

impl<L: LabelSet> Counters<L> {
    /// Adds 1. Does nothing if the family does not have the series.
    pub fn inc(&self, labels: L) {
        self.inc_by(labels, 1);
    }

    /// Returns the value, or 0 if the family does not have the series. For tests.
    #[must_use]
    pub fn value(&self, labels: L) -> u64 {
        self.get(labels).map_or(0, IntCounter::get)
    }

    /// Adds `events`. Does nothing if the family does not have the series.
    pub fn inc_by(&self, labels: L, events: u64) {
        if let Some(counter) = self.get(labels) {
            counter.inc_by(events);
        }
    }
}

impl<L: LabelSet> Gauges<L> {
    /// Sets the gauge. Does nothing if the family does not have the series.
    pub fn set(&self, labels: L, value: i64) {
        if let Some(gauge) = self.get(labels) {
            gauge.set(value);
        }
    }
}

impl<L: LabelSet> Histograms<L> {
    /// Records one value. Does nothing if the family does not have the series.
    pub fn observe(&self, labels: L, value: f64) {
        if let Some(histogram) = self.get(labels) {
            histogram.observe(value);
        }
    }
}

/// What `metrics!` declares about one metric.
pub(super) struct Declaration {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets; empty for any other type.
    pub buckets: &'static [f64],
}

impl Declaration {
    pub fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

/// A type of metric that `metrics!` can declare. `V` is the type of its label values.
pub(super) trait Register<V>: Sized {
    fn register(declaration: &Declaration, values: V, registry: &Registry) -> Result<Self, Error>;
}

impl<L: LabelSet> Register<L::Values> for Counters<L> {
    fn register(
        declaration: &Declaration,
        values: L::Values,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let family = IntCounterVec::new(declaration.opts(), declaration.labels)?;
        Self::resolve(family, values, registry)
    }
}

impl<L: LabelSet> Register<L::Values> for Gauges<L> {
    fn register(
        declaration: &Declaration,
        values: L::Values,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let family = IntGaugeVec::new(declaration.opts(), declaration.labels)?;
        Self::resolve(family, values, registry)
    }
}

impl<L: LabelSet> Register<L::Values> for Histograms<L> {
    fn register(
        declaration: &Declaration,
        values: L::Values,
        registry: &Registry,
    ) -> Result<Self, Error> {
        assert!(!declaration.buckets.is_empty(), "{}", declaration.name);
        let options = HistogramOpts::from(declaration.opts());
        let options = options.buckets(declaration.buckets.to_vec());
        let family = HistogramVec::new(options, declaration.labels)?;
        Self::resolve(family, values, registry)
    }
}

impl Register<()> for IntCounter {
    fn register(declaration: &Declaration, (): (), registry: &Registry) -> Result<Self, Error> {
        let counter = Self::with_opts(declaration.opts())?;
        registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }
}

impl Register<()> for IntGauge {
    fn register(declaration: &Declaration, (): (), registry: &Registry) -> Result<Self, Error> {
        let gauge = Self::with_opts(declaration.opts())?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }
}

impl Register<()> for IntGaugeVec {
    fn register(declaration: &Declaration, (): (), registry: &Registry) -> Result<Self, Error> {
        let family = Self::new(declaration.opts(), declaration.labels)?;
        registry.register(Box::new(family.clone()))?;
        Ok(family)
    }
}
