//! The transitions of the model: each step, and what it does to the topology. Requests are in
//! `request.rs`.

use crate::audit::End;
use crate::properties;
use crate::protocol::Flaw;
use crate::redis::{Role, StrayScript, Topology};
use crate::request::{resend, retry, take_call};
use crate::scope::Rendezvous;
use crate::state::State;
use crate::steps::{Step, allowed};
use stateright::{Model, Property};

impl Model for Rendezvous {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        State::initial(self.protocol, &self.scope)
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        allowed(self.protocol, &self.scope, state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = state.clone();
        state.answer = None;
        self.take(&mut state, step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Rendezvous {
    fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::Start(client, kind, worker) => self.start(state, client, kind, worker),
            Step::Run(client) => self.run(state, client),
            Step::Respond(client) => self.respond(state, client),
            Step::Resend { client, stray } => resend(state, client, stray),
            Step::Fail { client, stray } => self.fail(state, client, stray),
            Step::Retry(client, worker) => retry(state, client, worker),
            Step::GiveUp(client) => {
                take_call(state, client);
            }
            Step::RunStray(at) => {
                let StrayScript {
                    node,
                    client,
                    script,
                } = state.stray.remove(at);
                self.run_on(state, node, client, script);
            }
            Step::Replicate => replicate(state),
            Step::HandOver => {
                replicate(state);
                move_primary(state, Role::Replica);
                state.topology = Topology::Demoted;
            }
            Step::Promote => {
                let [one, two] = &state.nodes;
                state.audit.lossy |= one.session != two.session;
                move_primary(state, Role::Deposed);
                state.topology = Topology::Promoted;
            }
            Step::Follow(worker) => state.connections[worker] = state.primary,
            Step::Announce => {
                state.topology = Topology::Announced;
                if !self.protocol.has(Flaw::StaysOnOldPrimary) {
                    state.connections.fill(state.primary);
                }
            }
            Step::Demote => {
                state.topology = Topology::Demoted;
                state.nodes[1 - state.primary].role = Role::Replica;
            }
            Step::Expire => {
                if let Some(current) = state.session().map(|session| session.current().token) {
                    state.audit.retire(current);
                }
                for node in &mut state.nodes {
                    node.session = None;
                }
                state.audit.ended = Some(End::Expired);
            }
        }
    }
}

fn replicate(state: &mut State) {
    let session = state.session().cloned();
    state.nodes[1 - state.primary].session = session;
}

/// Makes the other node the primary, and gives the old one a role.
fn move_primary(state: &mut State, role: Role) {
    state.nodes[state.primary].role = role;
    state.primary = 1 - state.primary;
    state.nodes[state.primary].role = Role::Primary;
}
