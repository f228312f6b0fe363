//! Whether requests should come here, and what of the service is well: `/readyz`, and `/readyz?verbose`.
//!
//! Ready after the store was reached and found fit once, and until SIGTERM. A store or a homeserver that is away later
//! changes nothing of that: all replicas would leave the load balancer at once, and the error bodies with them.

use crate::lifecycle::Lifecycle;
use crate::policy::{Homeservers, Policy};
use crate::store::StoreState;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::sync::watch;

/// What it is judged by.
#[derive(Debug)]
pub struct Readiness {
    /// Whether the store may be served from.
    pub state: watch::Receiver<StoreState>,
    /// The phases of the process.
    pub lifecycle: Lifecycle,
    /// Whether sessions are created.
    pub policy: Arc<Policy>,
    /// Whether those who say whose a token is are asked.
    pub homeservers: Arc<Homeservers>,
}

impl Readiness {
    /// Whether the store was reached and found fit.
    #[must_use]
    pub fn is_store_fit(&self) -> bool {
        *self.state.borrow() == StoreState::Ready
    }

    /// Whether requests should come here.
    ///
    /// # Errors
    /// Why not, in a line or a few.
    pub fn check(&self) -> Result<(), String> {
        if self.lifecycle.is_leaving() {
            return Err("shutting down".to_owned());
        }
        self.store()
    }

    fn store(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            StoreState::Ready => Ok(()),
            StoreState::Connecting(None) => Err("the store has not been reached yet".to_owned()),
            StoreState::Connecting(Some(reason)) => {
                Err(format!("the store has not been reached yet: {reason}"))
            }
            StoreState::Unfit(reasons) => Err(reasons.join("\n")),
        }
    }

    /// A line for each component: `[+]` is well, `[-]` is why requests should not come here, `[!]` is not well, and
    /// no such reason. `answers` is whether the store answered just now.
    #[must_use]
    pub fn components(&self, answers: bool) -> String {
        let mut page = String::new();
        let mut line = |mark: char, name: &str, text: &str| {
            let text = text.replace('\n', "; ");
            writeln!(page, "[{mark}] {name}: {text}").expect("a string takes every line");
        };
        let phase = self.lifecycle.phase(self.is_store_fit()).label();
        line(
            if self.lifecycle.is_leaving() {
                '-'
            } else {
                '+'
            },
            "lifecycle",
            phase,
        );
        match self.store() {
            Err(reason) => line('-', "store", &reason),
            Ok(()) if answers => line('+', "store", "fit, and answers"),
            Ok(()) => line(
                '!',
                "store",
                "does not answer: requests on sessions get a 503",
            ),
        }
        if self.policy.is_in_maintenance() {
            line('!', "maintenance", "on: no session is created");
        } else {
            line('+', "maintenance", "off");
        }
        for (name, is_asked) in self.homeservers.verifier_states() {
            let name = format!("homeserver {name}");
            if is_asked {
                line('+', name.trim(), "is asked about access tokens");
            } else {
                line(
                    '!',
                    name.trim(),
                    "did not answer, and is not asked for a few seconds: discovery and creation get a 503",
                );
            }
        }
        page
    }
}
