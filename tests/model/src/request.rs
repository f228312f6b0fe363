//! The way of a request: from a client through a worker to a script, and back.

use crate::audit::{End, SESSION_ENDED};
use crate::client::{Call, ClientIndex, Operation, Phase};
use crate::protocol::Flaw;
use crate::redis::{NodeIndex, Role, StrayScript, Topology};
use crate::scope::Rendezvous;
use crate::script::{Reply, Script, apply, run_script};
use crate::sight::classify;
use crate::state::{Answer, State};
use crate::steps::Kind;
use crate::token::TokenScheme;

/// The payload of all writes, if the scope has equal payloads.
const EQUAL_DATA: u8 = 9;

impl Rendezvous {
    pub(crate) fn start(&self, state: &mut State, client: ClientIndex, kind: Kind, worker: usize) {
        let floor = state.audit.floor;
        let this = &mut state.clients[client as usize];
        let belief = this.belief();
        let (operation, script) = match kind {
            Kind::Create => (Operation::Create, Script::Create),
            Kind::Read => {
                this.left.reads -= 1;
                let known = belief.map(|(token, _)| token);
                (Operation::Read, Script::Read { known })
            }
            Kind::Delete => {
                this.left.deletes -= 1;
                (Operation::Delete, Script::Delete)
            }
            Kind::Write => {
                // A's writes are 1 to 4, B's are 5 to 9.
                let before = self.scope.clients[client as usize].writes - this.left.writes;
                let id = 1 + 4 * client as u8 + before;
                this.left.writes -= 1;
                let (over, believed) = belief.expect("only a client that has seen a token writes");
                let data = if self.scope.equal_data {
                    EQUAL_DATA
                } else {
                    id
                };
                let operation = Operation::Write {
                    id,
                    over,
                    believed,
                    data,
                };
                let script = Script::Write {
                    id,
                    submitted: over,
                    data,
                    has_txn: self.scope.txns,
                };
                (operation, script)
            }
        };
        this.phase = Phase::Waiting(Call {
            operation,
            script,
            worker,
            reply: None,
            may_have_run: false,
            is_retry: false,
            was_refused: false,
            compared: false,
            floor,
        });
    }

    /// Runs the script of a request on the node that its worker is connected to.
    pub(crate) fn run(&self, state: &mut State, client: ClientIndex) {
        let mut call = take_call(state, client);
        let node = state.connections[call.worker];
        let role = state.nodes[node].role;
        if let Script::Write { submitted, .. } = call.script
            && self.protocol.has(Flaw::TwoStepWrite)
            && !call.compared
        {
            let current = state.nodes[node].session.as_ref();
            call.compared = current.is_some_and(|now| now.current().token == submitted);
            if call.compared {
                state.clients[client as usize].phase = Phase::Waiting(call);
                return;
            }
        }
        let reply = if call.compared {
            set_without_comparing(self.protocol.scheme, state, node, call.script)
        } else {
            self.run_on(state, node, client, call.script)
        };
        if reply == Reply::Refused {
            // The worker follows to the primary, and sends the script again.
            call.was_refused = true;
            state.connections[call.worker] = state.primary;
        } else {
            call.reply = Some((reply, role, state.topology));
        }
        state.clients[client as usize].phase = Phase::Waiting(call);
    }

    /// Runs a script on a node, and records for the properties what it changed.
    pub(crate) fn run_on(
        &self,
        state: &mut State,
        at: NodeIndex,
        client: ClientIndex,
        script: Script,
    ) -> Reply {
        let node = &mut state.nodes[at];
        let before = node.session.clone();
        let read_only = node.role == Role::Replica;
        let reply = run_script(self.protocol, script, &mut node.session, read_only);
        if node.session == before {
            return reply;
        }
        let after = node.session.clone();
        let audit = &mut state.audit;
        let is_primary = at == state.primary;
        audit.lossy |= !is_primary;
        let old = before.map(|session| session.current());
        let new = after.map(|session| session.current());
        if let Some(new) = new {
            audit.exists(new);
        }
        if let Some(old) = old.filter(|old| is_primary && Some(*old) != new) {
            audit.retire(old.token);
        }
        match (reply, script) {
            (Reply::Created(_), _) => audit.created = true,
            (Reply::Deleted, _) if is_primary => audit.ended = Some(End::DeletedBy(client)),
            (Reply::Conflict(_), Script::Write { id, .. }) => audit.conflicts.push(id),
            _ => {}
        }
        reply
    }

    pub(crate) fn fail(&self, state: &mut State, client: ClientIndex, stray: bool) {
        let call = take_call(state, client);
        leave_stray(state, client, &call, stray);
        if self.protocol.has(Flaw::NotFoundIfUnknown) {
            answer(state, client, &call, Reply::Gone, None);
        } else if call.operation == Operation::Create {
            // No client knows the id. The worker deletes in the background what it may have created.
            state.clients[client as usize].over = true;
            let node = state.connections[call.worker];
            add_stray(state, node, client, Script::Delete);
        } else {
            state.clients[client as usize].phase = Phase::Unanswered(call);
        }
    }

    pub(crate) fn respond(&self, state: &mut State, client: ClientIndex) {
        let call = take_call(state, client);
        let (mut reply, role, topology) = call.reply.expect("the script has run");
        let was_resent = call.operation == Operation::Delete && call.may_have_run;
        let hides_resend = !self.protocol.has(Flaw::NotFoundIfDeleteWasResent);
        if reply == Reply::Gone && was_resent && hides_resend {
            reply = Reply::Deleted;
        }
        answer(state, client, &call, reply, Some((role, topology)));
    }
}

/// Delivers a response to a client.
fn answer(
    state: &mut State,
    client: ClientIndex,
    call: &Call,
    reply: Reply,
    ran: Option<(Role, Topology)>,
) {
    let this = &mut state.clients[client as usize];
    let sight = classify(this, call.operation, reply);
    let audit = &mut state.audit;
    let position = match (reply, call.operation) {
        (Reply::Created(now) | Reply::Found(now), _) => {
            this.seen.push((now.token, now.data));
            Some(now.position)
        }
        (Reply::Written { new: now, .. } | Reply::Retried(now), Operation::Write { data, .. }) => {
            this.seen.push((now.token, data));
            audit.acknowledge(now, data);
            Some(now.position)
        }
        (Reply::Unchanged(now) | Reply::Conflict(Some(now)), _) => Some(now.position),
        (Reply::Gone | Reply::Deleted, _) => {
            this.over = true;
            Some(SESSION_ENDED)
        }
        _ => None,
    };
    audit.floor = audit.floor.max(position.unwrap_or(0));
    state.answer = Some(Answer {
        client,
        operation: call.operation,
        reply,
        sight,
        ran,
        is_retry: call.is_retry,
        floor: call.floor,
    });
}

/// Ends the client's call, and returns it.
pub(crate) fn take_call(state: &mut State, client: ClientIndex) -> Call {
    let this = &mut state.clients[client as usize];
    match std::mem::replace(&mut this.phase, Phase::Idle) {
        Phase::Waiting(call) | Phase::Unanswered(call) => call,
        Phase::Idle => unreachable!("the step requires a call"),
    }
}

/// Uses up a fault; if `stray`, the script of the call may still run on its node.
fn leave_stray(state: &mut State, client: ClientIndex, call: &Call, stray: bool) {
    state.faults_left -= 1;
    if stray {
        add_stray(state, state.connections[call.worker], client, call.script);
    }
}

fn add_stray(state: &mut State, node: NodeIndex, client: ClientIndex, script: Script) {
    state.stray.push(StrayScript {
        node,
        client,
        script,
    });
    state.stray.sort_unstable();
}

/// The connection breaks, and the worker sends the script again.
pub(crate) fn resend(state: &mut State, client: ClientIndex, stray: bool) {
    let mut call = take_call(state, client);
    leave_stray(state, client, &call, stray);
    call.reply = None;
    call.may_have_run = true;
    state.clients[client as usize].phase = Phase::Waiting(call);
}

/// The client sends its request again.
pub(crate) fn retry(state: &mut State, client: ClientIndex, worker: usize) {
    let call = take_call(state, client);
    let again = Call {
        worker,
        reply: None,
        may_have_run: false,
        is_retry: true,
        was_refused: false,
        compared: false,
        ..call
    };
    state.clients[client as usize].phase = Phase::Waiting(again);
}

/// The second step of [`Flaw::TwoStepWrite`].
fn set_without_comparing(
    scheme: TokenScheme,
    state: &mut State,
    at: NodeIndex,
    script: Script,
) -> Reply {
    let Script::Write {
        id,
        submitted,
        data,
        has_txn,
    } = script
    else {
        unreachable!("only writes compare")
    };
    let Some(session) = &mut state.nodes[at].session else {
        return Reply::Gone;
    };
    let token = scheme.next(submitted, data);
    let old = session.current().token;
    let reply = apply(session, id, token, data, has_txn);
    let new = session.current();
    state.audit.retire(old);
    state.audit.exists(new);
    reply
}
