//! Runs the checker, and reports what it found.

use crate::properties::{EVENTS, MUST_HOLD};
use crate::protocol::Protocol;
use crate::scope::{Rendezvous, Scope};
use crate::steps::Step;
use stateright::{Checker, Model};
use std::collections::BTreeMap;

/// The result of an exploration. All states within the scope were visited.
#[derive(Debug)]
pub struct Exploration {
    /// Number of different states.
    pub states: usize,
    /// The steps to a state that violates a property, or contains an event, by its name.
    found: BTreeMap<&'static str, Vec<Step>>,
}

/// Visits every state of a protocol within a scope.
pub fn explore(protocol: Protocol, scope: Scope) -> Exploration {
    let checker = Rendezvous { protocol, scope }.checker().spawn_bfs().join();
    assert!(checker.is_done());
    let discoveries = checker.discoveries().into_iter();
    let found = discoveries.map(|(name, path)| (name, path.into_actions()));
    let exploration = Exploration {
        states: checker.unique_state_count(),
        found: found.collect(),
    };
    println!("{} states", exploration.states);
    exploration
}

impl Exploration {
    /// Returns the names of the violated properties.
    pub fn violated(&self) -> Vec<&'static str> {
        let must_hold = MUST_HOLD.iter().map(|(name, _)| *name);
        must_hold
            .filter(|name| self.found.contains_key(name))
            .collect()
    }

    /// Panics unless every property holds.
    pub fn assert_holds(&self) -> &Self {
        if let Some(name) = self.violated().first() {
            panic!("violated: {name}\n{:#?}", self.found[name]);
        }
        self
    }

    /// Panics unless the exploration contains these events.
    pub fn assert_contains(&self, events: &[&str]) -> &Self {
        for event in events {
            assert!(
                EVENTS.iter().any(|(name, _)| name == event),
                "{event} is no event"
            );
            assert!(self.found.contains_key(event), "never seen: {event}");
        }
        self
    }

    /// Panics unless exactly these properties are violated.
    pub fn assert_violates(&self, properties: &[&'static str]) -> &Self {
        assert_eq!(self.violated(), properties, "violated, and expected");
        self
    }
}

/// Returns the shortest way to violate a property. Panics if there is none.
pub fn shortest_counterexample(
    protocol: Protocol,
    scope: Scope,
    property: &'static str,
) -> Vec<Step> {
    // A breadth-first search reports the last violation that it meets, so its depth is limited.
    for depth in 2.. {
        let model = Rendezvous { protocol, scope };
        let checker = model.checker().target_max_depth(depth).spawn_bfs().join();
        if let Some(path) = checker.discovery(property) {
            return path.into_actions();
        }
        assert!(
            checker.max_depth() + 1 >= depth,
            "no counterexample: {property}"
        );
    }
    unreachable!("the loop ends at the greatest depth")
}
