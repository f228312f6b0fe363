//! Readiness: whether load balancers should send requests here, for `/readyz` and `/readyz?verbose`.
//!
//! A replica is ready once its store was reached and passed its checks, until SIGTERM. An outage of the
//! store or of a homeserver later changes nothing: all replicas would leave the load balancer at once,
//! and clients would get its error page in place of ours.

use crate::http::readiness_path::ReplicaReadiness;
use crate::lifecycle::Lifecycle;
use crate::net::proxy_detector::{self, NOT_LISTED};
use crate::net::routing::CurrentRouting;
use crate::policy::{Homeservers, Policy};
use crate::store::{StoreProblems, StoreState};
use crate::telemetry::printable::Printable;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// The parts that decide whether this replica is ready.
#[derive(Debug)]
pub struct Readiness {
    /// The state of the store.
    pub state: watch::Receiver<StoreState>,
    /// What is wrong with the store, although it may be ready.
    pub problems: Arc<StoreProblems>,
    /// The phase of the process.
    pub lifecycle: Lifecycle,
    /// The maintenance switch.
    pub policy: Arc<Policy>,
    /// Token verifiers; reports those with an open circuit breaker.
    pub homeservers: Arc<Homeservers>,
    /// Reports the proxies that are not listed.
    pub routing: Arc<CurrentRouting>,
}

/// Why a replica is not ready. The text has a line per reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// SIGTERM or SIGINT came.
    #[error("shutting down")]
    ShuttingDown,
    /// No connection to the store succeeded yet; the last error, if there was one.
    #[error("the store has not been reached yet{}", .0.as_ref().map_or_else(String::new, |reason| format!(": {reason}")))]
    Connecting(Option<String>),
    /// The store was reached and failed its checks.
    #[error("{}", .0.join("\n"))]
    Unfit(Vec<String>),
}

/// The mark of a component in `/readyz?verbose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It works.
    Good,
    /// It does not work, but the replica stays ready.
    Degraded,
    /// The reason why the replica is not ready.
    NotReady,
}

/// One line of `/readyz?verbose`.
struct Component {
    name: String,
    health: Health,
    text: String,
}

impl Component {
    fn new(name: impl Into<String>, health: Health, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        Self { name, health, text }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.health {
            Health::Good => '+',
            Health::Degraded => '!',
            Health::NotReady => '-',
        };
        let text = self.text.replace('\n', "; ");
        writeln!(out, "[{mark}] {}: {}", self.name, Printable(&text))
    }
}

impl ReplicaReadiness for Readiness {
    fn is_ready(&self) -> bool {
        self.check().is_ok()
    }
}

impl Readiness {
    /// Returns whether the store was reached and passed its checks.
    #[must_use]
    pub fn is_store_fit(&self) -> bool {
        *self.state.borrow() == StoreState::Ready
    }

    /// Checks whether load balancers should send requests here.
    ///
    /// # Errors
    /// `NotReady` with the reason.
    pub fn check(&self) -> Result<(), NotReady> {
        if self.lifecycle.is_shutting_down() {
            return Err(NotReady::ShuttingDown);
        }
        self.check_store()
    }

    fn check_store(&self) -> Result<(), NotReady> {
        match &*self.state.borrow() {
            StoreState::Ready => Ok(()),
            StoreState::Connecting(reason) => Err(NotReady::Connecting(reason.clone())),
            StoreState::Unfit(reasons) => Err(NotReady::Unfit(reasons.clone())),
        }
    }

    /// Returns a line per component: `[+]` it works; `[-]` it is the reason why this replica is not
    /// ready; `[!]` it does not work, but the replica stays ready. `store_answers` is the result of a
    /// call just now.
    #[must_use]
    pub fn components(&self, store_answers: bool) -> String {
        let mut components = vec![
            self.lifecycle(),
            self.store(store_answers),
            self.maintenance(),
        ];
        components.extend(self.token_verifiers());
        components.extend(self.unlisted_proxies());
        components.iter().map(ToString::to_string).collect()
    }

    fn lifecycle(&self) -> Component {
        let health = if self.lifecycle.is_shutting_down() {
            Health::NotReady
        } else {
            Health::Good
        };
        let phase = self.lifecycle.phase(self.is_store_fit());
        Component::new("lifecycle", health, phase.label())
    }

    fn store(&self, answers: bool) -> Component {
        let refusal = self.problems.write_refusal();
        let refusal = refusal.map(|reason| format!("refuses writes: {reason}"));
        let problems = self.problems.texts().into_iter();
        let (health, text) = match self.check_store() {
            Err(reason) => (Health::NotReady, reason.to_string()),
            Ok(()) if !answers => {
                let text = "does not answer: polls and writes wait for it, creations get a 503";
                let reasons = [text.to_owned()].into_iter().chain(refusal).chain(problems);
                (Health::Degraded, reasons.collect::<Vec<_>>().join("; "))
            }
            Ok(()) => match (refusal, problems.collect::<Vec<_>>().join("; ")) {
                (None, problems) if problems.is_empty() => {
                    (Health::Good, "fit, and answers".to_owned())
                }
                (None, problems) => (Health::Degraded, format!("answers, but: {problems}")),
                (Some(refusal), problems) if problems.is_empty() => (Health::Degraded, refusal),
                (Some(refusal), problems) => (Health::Degraded, format!("{refusal}; {problems}")),
            },
        };
        Component::new("store", health, text)
    }

    fn maintenance(&self) -> Component {
        if self.policy.is_in_maintenance() {
            Component::new("maintenance", Health::Degraded, "on: no session is created")
        } else {
            Component::new("maintenance", Health::Good, "off")
        }
    }

    fn unlisted_proxies(&self) -> Option<Component> {
        let unlisted = self.routing.proxy_detector.unlisted()?;
        let text = format!("{NOT_LISTED}{unlisted}");
        Some(Component::new(
            proxy_detector::COMPONENT,
            Health::Degraded,
            text,
        ))
    }

    fn token_verifiers(&self) -> impl Iterator<Item = Component> {
        self.homeservers.verifier_states().map(|(name, state)| {
            let name = format!("homeserver {name}").trim_end().to_owned();
            let cause = state.last_failure.as_ref();
            let cause = cause.map_or_else(String::new, |text| format!(": {text}"));
            let (health, text) = match (state.is_circuit_open, cause.is_empty()) {
                (false, true) => (Health::Good, "checks access tokens".to_owned()),
                // The next check may succeed: one made-up token is enough for a failure.
                (false, false) => (Health::Degraded, format!("the last token check failed{cause}")),
                (true, _) => (
                    Health::Degraded,
                    format!(
                        "did not answer; its circuit breaker is open for a few seconds: discovery and \
                         creation get a 503{cause}"
                    ),
                ),
            };
            Component::new(name, health, text)
        })
    }
}
