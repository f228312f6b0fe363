//! The steps that the system can take, and which of them a state allows.

use crate::client::{Call, ClientIndex, Operation, Phase};
use crate::protocol::{Flaw, Protocol};
use crate::redis::{Role, Topology};
use crate::scope::{Failover, Scope};
use crate::script::{Reply, Script, Snapshot};
use crate::state::State;
use std::fmt::{Debug, Formatter};

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Create the session.
    Create,
    /// Read it.
    Read,
    /// Overwrite the newest token that the client has seen.
    Write,
    /// Delete it.
    Delete,
}

/// A step.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A client sends a request to a worker, which sends a script to Redis.
    Start(ClientIndex, Kind, usize),
    /// The script of a client's request runs.
    Run(ClientIndex),
    /// The worker gets the reply, and the client gets the response.
    Respond(ClientIndex),
    /// The connection to Redis breaks, and the worker sends the script again. If `stray`, the first
    /// one may still run.
    Resend {
        /// The client whose request it is.
        client: ClientIndex,
        /// Whether the script may still run.
        stray: bool,
    },
    /// The worker gives up and returns 503, or the response is lost: for the client it is the same.
    Fail {
        /// The client whose request it is.
        client: ClientIndex,
        /// Whether the script may still run.
        stray: bool,
    },
    /// The client sends its request again, to this worker.
    Retry(ClientIndex, usize),
    /// The client gives the operation up.
    GiveUp(ClientIndex),
    /// A script runs whose reply no worker waits for, by its place in the list.
    RunStray(usize),
    /// The replica catches up.
    Replicate,
    /// A failover that loses nothing.
    HandOver,
    /// The replica is promoted as it is.
    Promote,
    /// A worker connects to the new primary before the announcement.
    Follow(usize),
    /// The new primary is announced, and the workers leave the old one.
    Announce,
    /// The old primary becomes a replica.
    Demote,
    /// The session expires.
    Expire,
}

impl Debug for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Start(client, kind, worker) => {
                write!(f, "{client:?} sends {kind:?} to worker {worker}")
            }
            Self::Run(client) => write!(f, "the script of {client:?} runs"),
            Self::Respond(client) => write!(f, "{client:?} gets the response"),
            Self::Resend { client, stray } => {
                let end = if stray {
                    ", and the first may still run"
                } else {
                    ""
                };
                write!(f, "the worker sends the script of {client:?} again{end}")
            }
            Self::Fail { client, stray } => {
                let end = if stray {
                    ", and the script may still run"
                } else {
                    ""
                };
                write!(f, "{client:?} gets no response{end}")
            }
            Self::Retry(client, worker) => {
                write!(f, "{client:?} sends its request again, to worker {worker}")
            }
            Self::GiveUp(client) => write!(f, "{client:?} gives up"),
            Self::RunStray(at) => write!(f, "late script {at} runs"),
            Self::Replicate => write!(f, "the replica catches up"),
            Self::HandOver => write!(f, "a failover without loss"),
            Self::Promote => write!(f, "the replica is promoted as it is"),
            Self::Follow(worker) => write!(f, "worker {worker} connects to the new primary"),
            Self::Announce => write!(f, "the new primary is announced"),
            Self::Demote => write!(f, "the old primary becomes a replica"),
            Self::Expire => write!(f, "the session expires"),
        }
    }
}

/// Lists the steps that a state allows, always in the same order.
pub(crate) fn allowed(protocol: Protocol, scope: &Scope, state: &State, steps: &mut Vec<Step>) {
    for client in ClientIndex::ALL {
        of_client(protocol, scope, state, client, steps);
    }
    steps.extend((0..state.stray.len()).map(Step::RunStray));
    of_topology(scope, state, steps);
    if scope.expiry && state.audit.created && state.audit.ended.is_none() {
        steps.push(Step::Expire);
    }
}

fn of_client(
    protocol: Protocol,
    scope: &Scope,
    state: &State,
    client: ClientIndex,
    steps: &mut Vec<Step>,
) {
    let may_fail = state.faults_left > 0;
    match state.client(client).phase {
        Phase::Idle => {
            let kinds = kinds(scope, state, client);
            let starts = kinds
                .into_iter()
                .flat_map(|kind| (0..scope.workers).map(move |at| Step::Start(client, kind, at)));
            steps.extend(starts);
        }
        Phase::Waiting(call) if call.reply.is_some() => {
            if has_replica_the_change(protocol, state, &call) {
                steps.push(Step::Respond(client));
            }
            if may_fail {
                steps.extend(resends(protocol, &call).then_some(Step::Resend {
                    client,
                    stray: false,
                }));
                steps.push(Step::Fail {
                    client,
                    stray: false,
                });
            }
        }
        Phase::Waiting(call) => {
            steps.push(Step::Run(client));
            if !may_fail {
                return;
            }
            // A late read changes nothing.
            let is_read = matches!(call.script, Script::Read { .. });
            let strays: &[bool] = if scope.late_scripts && !is_read {
                &[false, true]
            } else {
                &[false]
            };
            for &stray in strays {
                steps.extend(resends(protocol, &call).then_some(Step::Resend { client, stray }));
                steps.push(Step::Fail { client, stray });
            }
        }
        Phase::Unanswered(call) => {
            steps.push(Step::GiveUp(client));
            if !matches!(call.operation, Operation::Create) {
                steps.extend((0..scope.workers).map(|worker| Step::Retry(client, worker)));
            }
        }
    }
}

fn resends(protocol: Protocol, call: &Call) -> bool {
    protocol.resends_creation || call.operation != Operation::Create
}

/// With `WAIT`: whether the replica has what the reply acknowledges. Without: true.
fn has_replica_the_change(protocol: Protocol, state: &State, call: &Call) -> bool {
    let Some((reply, role, topology)) = call.reply else {
        return false;
    };
    // A primary that is replaced ends the commands that wait.
    let waits_for_ever = role != Role::Primary
        || (topology == Topology::Initial && state.topology != Topology::Initial);
    let other = &state.nodes[1 - state.primary];
    let has = |state: Snapshot| {
        let session = other.session.as_ref();
        let mut versions = session.iter().flat_map(|copy| &copy.versions);
        other.role == Role::Replica && versions.any(|of| of.token == state.token)
    };
    match reply {
        _ if !protocol.waits_for_replica => true,
        Reply::Written { .. } | Reply::Created(_) | Reply::Deleted if waits_for_ever => false,
        Reply::Written { new, .. } | Reply::Created(new) => has(new),
        Reply::Retried(_) if protocol.has(Flaw::RetryDoesNotWait) => true,
        Reply::Retried(now) => !waits_for_ever && has(now),
        Reply::Deleted => other.role == Role::Replica && other.session.is_none(),
        _ => true,
    }
}

/// The operations that an idle client may start.
fn kinds(scope: &Scope, state: &State, client: ClientIndex) -> Vec<Kind> {
    let this = state.client(client);
    let creator = state.client(ClientIndex::A);
    let mut kinds = Vec::new();
    if creator.seen.is_empty() {
        // No client knows the id before the creation was answered.
        if client == ClientIndex::A && scope.begins_with_creation && !creator.over {
            kinds.push(Kind::Create);
        }
        return kinds;
    }
    if this.left.reads > 0 {
        kinds.push(Kind::Read);
    }
    // A client for which the session is over only looks if it is.
    if this.over {
        return kinds;
    }
    if this.left.writes > 0 && !this.seen.is_empty() {
        kinds.push(Kind::Write);
    }
    if this.left.deletes > 0 {
        kinds.push(Kind::Delete);
    }
    kinds
}

fn of_topology(scope: &Scope, state: &State, steps: &mut Vec<Step>) {
    let (primary, other) = (state.primary, 1 - state.primary);
    let differs = state.nodes[primary].session != state.nodes[other].session;
    if scope.failover != Failover::None && differs && state.nodes[other].role == Role::Replica {
        steps.push(Step::Replicate);
    }
    match (scope.failover, state.topology) {
        (Failover::Lossless, Topology::Initial) => steps.push(Step::HandOver),
        (Failover::Lossy, Topology::Initial) => steps.push(Step::Promote),
        (_, Topology::Promoted) => {
            let workers = 0..scope.workers;
            let old = workers.filter(|worker| state.connections[*worker] != primary);
            steps.extend(old.map(Step::Follow));
            steps.push(Step::Announce);
        }
        (_, Topology::Announced) => steps.push(Step::Demote),
        _ => {}
    }
}
