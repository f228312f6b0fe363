//! The counters of `rendezvous_http_requests_total`: four labels, of which few combinations occur.

use super::family::{Declaration, Register};
use crate::model::Api;
use crate::telemetry::expected_series::{STATUSES, is_expected};
use crate::telemetry::labels::{MethodLabel, RouteLabel};
use prometheus::{Error, IntCounter, IntCounterVec, Registry};

/// One counter for each combination of API, route, method and status that can occur.
#[derive(Debug)]
pub struct RequestCounters {
    family: IntCounterVec,
    /// By API, route, method and status; `None` for a combination that is not expected.
    expected: Vec<Option<IntCounter>>,
}

impl Register<()> for RequestCounters {
    fn register(declaration: &Declaration, (): (), registry: &Registry) -> Result<Self, Error> {
        let family = IntCounterVec::new(declaration.opts(), declaration.labels)?;
        registry.register(Box::new(family.clone()))?;
        let mut expected = Vec::new();
        for api in Api::ALL {
            for route in RouteLabel::ALL {
                for method in MethodLabel::ALL {
                    for status in STATUSES {
                        let counter = is_expected(*api, *route, *method, status)
                            .then(|| counter(&family, *api, *route, *method, status));
                        expected.push(counter);
                    }
                }
            }
        }
        Ok(Self { family, expected })
    }
}

impl RequestCounters {
    /// Counts one request.
    pub fn inc(&self, api: Api, route: RouteLabel, method: MethodLabel, status: u16) {
        let place = api.index() * RouteLabel::ALL.len() + route.index();
        let row = (place * MethodLabel::ALL.len() + method.index()) * STATUSES.len();
        let expected = STATUSES
            .iter()
            .position(|expected| *expected == status)
            .and_then(|column| self.expected[row + column].as_ref());
        match expected {
            Some(counter) => counter.inc(),
            // An unexpected combination is counted, too. It only costs a look-up by label text.
            None => counter(&self.family, api, route, method, status).inc(),
        }
    }
}

fn counter(
    family: &IntCounterVec,
    api: Api,
    route: RouteLabel,
    method: MethodLabel,
    status: u16,
) -> IntCounter {
    let status = status.to_string();
    family.with_label_values(&[api.label(), route.label(), method.label(), &status])
}
