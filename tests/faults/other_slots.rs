//! What the fault of one Cluster primary does to sessions in the slots of the other primaries:
//! nothing. A primary's slots wait for the promotion of its replica, and no other request does.

use crate::client::Session;
use crate::progress::Period;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::history::{Call, Operation, Outcome};

/// A request that needs no node that is down takes at most this long, on a loaded machine too. Less
/// than a failover takes, so that a request that waits for one takes longer.
const UNDELAYED: Duration = Duration::from_millis(1500);

/// Requests on sessions in slots of primaries that were not struck.
#[derive(Debug, Default)]
pub struct OtherSlots {
    /// Requests during the fault.
    pub calls: usize,
    /// Those of them that failed.
    pub failed: Vec<String>,
    /// Time of the slowest.
    pub slowest: Duration,
}

impl OtherSlots {
    /// Measures the requests that were sent during the fault. Those that created a session are left
    /// out: its lease may be in a slot that was struck.
    pub fn measure(sessions: &[Session], struck: &BTreeSet<u16>, period: Period) -> Self {
        let mut measured = Self::default();
        let is_during = |call: &&Call| {
            let is_on_session = !matches!(call.operation, Operation::Create { .. });
            is_on_session && call.begin >= period.begin && call.begin <= period.end
        };
        for session in sessions {
            if struck.contains(&session.slot()) {
                continue;
            }
            let calls = session.recorder.history(Duration::ZERO).calls;
            for call in calls.iter().filter(is_during) {
                measured.calls += 1;
                if call.outcome == Outcome::Unknown {
                    let name = &session.name;
                    let failure = format!("{name}: on a slot of another primary: {call}");
                    measured.failed.push(failure);
                } else {
                    measured.slowest = measured.slowest.max(call.end.saturating_sub(call.begin));
                }
            }
        }
        measured
    }

    /// What is wrong.
    pub fn failures(&self) -> Vec<String> {
        let mut wrong = self.failed.clone();
        if self.calls == 0 {
            wrong.push("no request was sent on a slot of another primary".to_owned());
        }
        if self.slowest > UNDELAYED {
            let slowest = self.slowest;
            wrong.push(format!(
                "a request on a slot of another primary took {slowest:?}"
            ));
        }
        wrong
    }
}
