//! The properties, as stateright evaluates them in every state.
//!
//! Those that begin with "without loss" say nothing about a run in which a failover lost something,
//! and nothing about what an old primary answers before the new one is announced. The sentences are
//! those of `docs/consistency.md`.

use crate::audit::{End, SESSION_ENDED};
use crate::client::{Operation, Phase};
use crate::redis::{Role, Topology};
use crate::scope::Rendezvous;
use crate::script::Reply;
use crate::sight::Sight;
use crate::state::{Answer, State};
use stateright::Property;

/// An acknowledged write is in the session for as long as the session lives. If workers wait for the
/// replica, this also holds after a failover that lost something.
pub const ACKNOWLEDGED_WRITE_IS_KEPT: &str = "without loss: an acknowledged write is kept";
/// No node's history of the session has a write twice.
pub const NO_WRITE_IS_APPLIED_TWICE: &str = "no write is applied twice";
/// A response is not older than what a response before the request had shown.
pub const NO_ANSWER_IS_STALE: &str = "without loss: no answer is older than an earlier one";
/// A token that was replaced or deleted is never current again.
pub const NO_TOKEN_COMES_BACK: &str = "without loss: no token comes back";
/// A session that was deleted or has expired stays gone.
pub const ENDED_SESSION_STAYS_GONE: &str = "without loss: an ended session stays gone";
/// 404 only if the session has ended, and not to the request that ended it.
pub const NOT_FOUND_ONLY_AFTER_THE_END: &str = "without loss: 404 only after the end";
/// A write that was applied is answered with its token, whenever it is sent again. With a txnId, a
/// conflict stays a conflict. (If an equal payload was written since, the answer is its token.)
pub const RETRY_GETS_THE_FIRST_RESULT: &str = "without loss: a retry gets the first result";
/// No client gets an answer that an old primary gave after the announcement of the new one.
pub const NO_ANSWER_FROM_THE_OLD_PRIMARY: &str = "no answer comes from an old primary";
/// Equal tokens have equal payloads, on all nodes and for all time.
pub const TOKEN_HAS_ONE_PAYLOAD: &str = "a token has one payload";
/// If nothing is new, the payload is the one that the client has seen.
pub const UNCHANGED_IS_UNCHANGED: &str = "unchanged means the payload that the client has seen";
/// A read returns no token that the client has seen with another payload.
pub const NO_TOKEN_IS_REUSED: &str = "no client reads a known token with another payload";
/// A write that is applied overwrites the payload that its client has seen.
pub const NO_UNSEEN_PAYLOAD_IS_OVERWRITTEN: &str = "no write overwrites an unseen payload";

/// A condition on a state, under its name.
type Named = (&'static str, fn(&Rendezvous, &State) -> bool);

/// The properties that must hold in every state.
pub const MUST_HOLD: [Named; 12] = [
    (ACKNOWLEDGED_WRITE_IS_KEPT, acknowledged_write_is_kept),
    (NO_WRITE_IS_APPLIED_TWICE, no_write_is_applied_twice),
    (NO_ANSWER_IS_STALE, no_answer_is_stale),
    (NO_TOKEN_COMES_BACK, no_token_comes_back),
    (ENDED_SESSION_STAYS_GONE, ended_session_stays_gone),
    (NOT_FOUND_ONLY_AFTER_THE_END, not_found_only_after_the_end),
    (RETRY_GETS_THE_FIRST_RESULT, retry_gets_the_first_result),
    (
        NO_ANSWER_FROM_THE_OLD_PRIMARY,
        no_answer_from_the_old_primary,
    ),
    (TOKEN_HAS_ONE_PAYLOAD, token_has_one_payload),
    (UNCHANGED_IS_UNCHANGED, |_, state| {
        !is_seen(state, Sight::MissedPayload)
    }),
    (NO_TOKEN_IS_REUSED, |_, state| {
        !is_seen(state, Sight::ReusedToken)
    }),
    (NO_UNSEEN_PAYLOAD_IS_OVERWRITTEN, |_, state| {
        !is_seen(state, Sight::OverwroteUnseen)
    }),
];

/// Events. An exploration states which of them it must contain, so that no property holds only
/// because nothing happens.
pub const EVENTS: [Named; 13] = [
    ("a retry is recognised", |_, state| {
        state
            .answer
            .is_some_and(|of| of.is_retry && matches!(of.reply, Reply::Retried(_)))
    }),
    ("a conflict", |_, state| is_seen(state, Sight::Conflict)),
    ("404", |_, state| is_seen(state, Sight::NotFound)),
    ("a node refuses a script", |_, state| is_refused_call(state)),
    ("a deposed primary answers", |_, state| {
        state
            .answer
            .is_some_and(|of| of.ran.is_some_and(|(role, _)| role == Role::Deposed))
    }),
    ("after a loss: nothing new", |_, state| {
        is_seen_after_loss(state, Sight::NothingNew)
    }),
    ("after a loss: new payload", |_, state| {
        is_seen_after_loss(state, Sight::NewPayload)
    }),
    ("after a loss: old payload", |_, state| {
        is_seen_after_loss(state, Sight::OldPayload)
    }),
    ("after a loss: applied", |_, state| {
        is_seen_after_loss(state, Sight::Applied)
    }),
    ("after a loss: conflict", |_, state| {
        is_seen_after_loss(state, Sight::Conflict)
    }),
    ("after a loss: 404", |_, state| {
        is_seen_after_loss(state, Sight::NotFound)
    }),
    ("after a loss: deleted", |_, state| {
        is_seen_after_loss(state, Sight::Deleted)
    }),
    ("after a loss: lives again", |_, state| {
        is_seen_after_loss(state, Sight::LivesAgain)
    }),
];

/// Returns all of them for the checker.
pub(crate) fn all() -> Vec<Property<Rendezvous>> {
    let always = MUST_HOLD.map(|(name, condition)| Property::always(name, condition));
    let sometimes = EVENTS.map(|(name, condition)| Property::sometimes(name, condition));
    always.into_iter().chain(sometimes).collect()
}

fn acknowledged_write_is_kept(model: &Rendezvous, state: &State) -> bool {
    let audit = &state.audit;
    let is_lost = audit.lossy && !model.protocol.waits_for_replica;
    if is_lost || audit.ended.is_some() || !audit.created {
        return true;
    }
    let versions = || {
        state
            .session()
            .into_iter()
            .flat_map(|session| &session.versions)
    };
    let mut acknowledged = audit.acknowledged.iter();
    acknowledged.all(|kept| versions().any(|of| (of.token, of.data) == *kept))
}

fn no_write_is_applied_twice(_: &Rendezvous, state: &State) -> bool {
    let mut sessions = state.nodes.iter().flat_map(|node| &node.session);
    sessions.all(|session| {
        let mut writes: Vec<_> = session.versions.iter().map(|of| of.write).collect();
        writes.sort_unstable();
        writes.is_sorted_by(|one, two| one < two)
    })
}

fn no_answer_is_stale(_: &Rendezvous, state: &State) -> bool {
    on_answer_without_loss(state, |answer| {
        answer
            .position()
            .is_none_or(|position| position >= answer.floor)
    })
}

fn no_token_comes_back(_: &Rendezvous, state: &State) -> bool {
    let current = state.session().map(|session| session.current().token);
    state.audit.lossy || current.is_none_or(|now| !state.audit.retired.contains(&now))
}

fn ended_session_stays_gone(_: &Rendezvous, state: &State) -> bool {
    state.audit.lossy || state.audit.ended.is_none() || state.session().is_none()
}

fn not_found_only_after_the_end(_: &Rendezvous, state: &State) -> bool {
    on_answer_without_loss(state, |answer| {
        let ended = state.audit.ended;
        let is_own_end = answer.operation == Operation::Delete
            && !answer.is_retry
            && ended == Some(End::DeletedBy(answer.client));
        answer.reply != Reply::Gone || (ended.is_some() && !is_own_end)
    })
}

fn retry_gets_the_first_result(_: &Rendezvous, state: &State) -> bool {
    on_answer_without_loss(state, |answer| {
        let Operation::Write { id, .. } = answer.operation else {
            return true;
        };
        let was_conflict = state.audit.conflicts.contains(&id);
        let mut tokens = state.audit.tokens_of(id);
        match answer.reply {
            Reply::Written { new: now, .. } => {
                !was_conflict && tokens.all(|token| token == now.token)
            }
            Reply::Retried(now) => {
                // If the same payload was written again since, that newer state is the answer.
                let is_equal =
                    matches!(answer.operation, Operation::Write { data, .. } if data == now.data);
                !was_conflict && (is_equal || tokens.all(|token| token == now.token))
            }
            Reply::Conflict(_) => tokens.next().is_none(),
            _ => true,
        }
    })
}

fn no_answer_from_the_old_primary(_: &Rendezvous, state: &State) -> bool {
    let ran = state.answer.and_then(|answer| answer.ran);
    ran.is_none_or(|(role, topology)| role == Role::Primary || topology < Topology::Announced)
}

fn token_has_one_payload(_: &Rendezvous, state: &State) -> bool {
    // Sorted by token.
    let mut pairs = state.audit.existed.windows(2);
    pairs.all(|of| of[0].token != of[1].token || of[0].data == of[1].data)
}

/// Evaluates a condition on the answer of the last step, if there is one that must fulfil it.
fn on_answer_without_loss(state: &State, condition: impl Fn(&Answer) -> bool) -> bool {
    let Some(answer) = &state.answer else {
        return true;
    };
    let is_deposed = answer.ran.is_some_and(|(role, _)| role == Role::Deposed);
    state.audit.lossy || is_deposed || condition(answer)
}

fn is_seen(state: &State, sight: Sight) -> bool {
    state.answer.is_some_and(|answer| answer.sight == sight)
}

fn is_seen_after_loss(state: &State, sight: Sight) -> bool {
    state.audit.lossy && is_seen(state, sight)
}

fn is_refused_call(state: &State) -> bool {
    let mut clients = state.clients.iter();
    clients.any(|client| matches!(client.phase, Phase::Waiting(call) if call.was_refused))
}

impl Answer {
    /// The position of the state that an answer shows. `None` if it shows none.
    fn position(&self) -> Option<u8> {
        match self.reply {
            Reply::Created(now)
            | Reply::Found(now)
            | Reply::Unchanged(now)
            | Reply::Retried(now)
            | Reply::Written { new: now, .. }
            | Reply::Conflict(Some(now)) => Some(now.position),
            Reply::Gone | Reply::Deleted => Some(SESSION_ENDED),
            Reply::Conflict(None) | Reply::Refused => None,
        }
    }
}
