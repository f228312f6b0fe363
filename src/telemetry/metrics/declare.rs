//! What a metric is declared by: its HELP text, its field, its type, its name and its labels.

/// Declares the struct of all metrics, and how they are registered.
macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $kind:ident = $name:literal $labels:tt,)+) => {
        /// Every metric of the service.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            requests: Vec<Option<IntCounter>>,
            durations: Vec<Histogram>,
            operations: Vec<Histogram>,
            /// How sign-ins fare.
            pub sign_ins: SignIns,
            $(#[doc = $help] pub $field: $kind,)+
        }

        impl Metrics {
            fn register() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let $field = metrics!(@new $kind $name, $help.trim(), $labels);
                    registry.register(Box::new($field.clone()))?;
                )+
                registry.register(Box::new(ProcessCollector::for_self()))?;
                let sign_ins = SignIns::register(&registry)?;
                Ok(Self {
                    registry,
                    requests: Vec::new(),
                    durations: Vec::new(),
                    operations: Vec::new(),
                    sign_ins,
                    $($field,)+
                })
            }
        }
    };
    (@new IntCounter $name:literal, $help:expr, []) => { IntCounter::new($name, $help)? };
    (@new IntGauge $name:literal, $help:expr, []) => { IntGauge::new($name, $help)? };
    (@new IntCounterVec $name:literal, $help:expr, $labels:tt) => {
        IntCounterVec::new(Opts::new($name, $help), &$labels)?
    };
    (@new IntGaugeVec $name:literal, $help:expr, $labels:tt) => {
        IntGaugeVec::new(Opts::new($name, $help), &$labels)?
    };
    (@new HistogramVec $name:literal, $help:expr, $labels:tt) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets(BUCKETS.to_vec()), &$labels)?
    };
}

pub(super) use metrics;
