//! The `metrics!` macro: declares each metric once, with its HELP text, type, name and labels.

/// Declares the struct of all metrics and their registration.
///
/// A metric is declared as `name: Type = "metric_name" ["label": VALUES, …] in BUCKETS`. Its doc
/// comment is the HELP text. A family registers one series at 0 for each combination of the label
/// values. Labels without values are for the types of the `prometheus` crate; the series of such a
/// metric must be created by hand.
macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])+
        $field:ident: $kind:ty = $name:literal
            [$($label:literal $(: $values:expr)?),*] $(in $buckets:expr)?,
    )+) => {
        /// Every metric of the service.
        #[expect(
            clippy::doc_markdown,
            reason = "the doc comments are HELP texts, which have no markup"
        )]
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl Metrics {
            fn register() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let declaration = Declaration {
                        name: $name,
                        help: concat!($($help),+).trim(),
                        labels: &[$($label),*],
                        buckets: metrics!(@buckets $($buckets)?),
                    };
                    let values = ($($($values,)?)*);
                    let $field = <$kind as Register<_>>::register(&declaration, values, &registry)?;
                )+
                registry.register(Box::new(ProcessCollector::for_self()))?;
                Ok(Self {
                    registry,
                    $($field,)+
                })
            }
        }
    };
    (@buckets) => { &[] };
    (@buckets $buckets:expr) => { &$buckets };
}

pub(super) use metrics;
