//! The session as a register: what each call may return in each state, and the state after it.
//!
//! A state is the list of everything that has taken effect. All else (the current token, whether the
//! session lives, which writes are retries) follows from that list, and a store that loses its tail
//! loses the end of the list.

use super::symbols::{Request, Response, Shown, Symbol, Write};

/// Tokens by which a write is recognised: the current one, and the four before it (R1.23).
const RECENT_TOKENS: usize = 5;

/// Something that has taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Effect {
    Created {
        token: Symbol,
        data: Symbol,
    },
    Applied {
        write: Write,
        token: Symbol,
    },
    /// The txnId's recorded conflict.
    Refused {
        txn: Symbol,
    },
    /// Deleted or expired.
    Ended,
}

/// The recorded response to a txnId.
enum Record {
    Written(Symbol),
    Conflict,
}

/// A state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Register {
    effects: Vec<Effect>,
    /// The applied writes that the store has lost since, with their tokens. The same write may
    /// produce the same token again, and no other write may.
    lost: Vec<Effect>,
}

impl Register {
    /// The states in which the register may be after it has answered this request with this
    /// response. Empty if it cannot do so. `fresh` is a token that no response shows.
    ///
    /// A request of unknown outcome returns only the states that it changes.
    pub(super) fn step(
        &self,
        request: Request,
        response: Response,
        shown: &Shown,
        fresh: Symbol,
    ) -> Vec<Self> {
        match (request, response) {
            (Request::Create { data }, response) => {
                let is_new = self.effects.is_empty() && self.lost.is_empty();
                let created = |token| self.after_if(is_new, Effect::Created { token, data });
                match response {
                    Response::Created { token } => created(token),
                    Response::Unknown => {
                        let candidates = shown.candidates(data).chain([fresh]);
                        candidates.flat_map(created).collect()
                    }
                    _ => Vec::new(),
                }
            }
            (Request::Write(write), response) => self.write(write, response, shown, fresh),
            (Request::Delete, Response::Deleted | Response::Unknown) if self.lives() => {
                vec![self.after(Effect::Ended)]
            }
            (Request::Expire, _) if self.lives() => vec![self.after(Effect::Ended)],
            // The server may have deleted it by an earlier attempt of which it got no reply.
            (Request::Delete, Response::Deleted) | (Request::Expire, _) => vec![self.clone()],
            (Request::Lose, _) => self.tails_lost(),
            (Request::Read { .. } | Request::Delete, Response::Gone) => self.same_if(!self.lives()),
            (Request::Read { .. }, Response::Found { token, data }) => {
                self.same_if(self.current() == Some((token, data)))
            }
            (Request::Read { known }, Response::Unchanged) => {
                let current = self.current().map(|(token, _)| token);
                self.same_if(current.is_some() && current == known)
            }
            _ => Vec::new(),
        }
    }

    fn write(&self, write: Write, response: Response, shown: &Shown, fresh: Symbol) -> Vec<Self> {
        let Some((current, current_data)) = self.current() else {
            return self.same_if(response == Response::Gone);
        };
        let conflict_fits = match response {
            Response::Conflict { current: None } => true,
            Response::Conflict { current: named } => named == Some(current),
            _ => false,
        };
        if let Some(record) = write.txn.and_then(|txn| self.record(txn)) {
            // The record decides, whatever the body says (R1.25).
            return self.same_if(match (record, response) {
                (Record::Written(recorded), Response::Written { token }) => token == recorded,
                (Record::Conflict, Response::Conflict { .. }) => true,
                _ => false,
            });
        }
        if write.compare == current {
            let applied = |token| self.after(Effect::Applied { write, token });
            let is_new = |token: &Symbol| self.is_new(write, *token);
            return match response {
                Response::Written { token } if is_new(&token) => vec![applied(token)],
                Response::Unknown => {
                    let candidates = shown.candidates(write.data).chain([fresh]);
                    candidates.filter(is_new).map(applied).collect()
                }
                _ => Vec::new(),
            };
        }
        if let Some(txn) = write.txn {
            let may_refuse = conflict_fits || response == Response::Unknown;
            return self.after_if(may_refuse, Effect::Refused { txn });
        }
        let expected = if write.data == current_data {
            Some(current)
        } else {
            self.recent_result(write)
        };
        self.same_if(match (expected, response) {
            (Some(expected), Response::Written { token }) => token == expected,
            (None, _) => conflict_fits,
            _ => false,
        })
    }

    /// The current token and payload, if the session lives.
    fn current(&self) -> Option<(Symbol, Symbol)> {
        let mut newest = self.effects.iter().rev();
        newest.find_map(|effect| match *effect {
            Effect::Created { token, data } => Some(Some((token, data))),
            Effect::Applied { write, token } => Some(Some((token, write.data))),
            Effect::Ended => Some(None),
            Effect::Refused { .. } => None,
        })?
    }

    fn lives(&self) -> bool {
        self.current().is_some()
    }

    /// The recorded response to a txnId.
    fn record(&self, sought: Symbol) -> Option<Record> {
        self.effects.iter().find_map(|effect| match *effect {
            Effect::Applied { write, token } if write.txn == Some(sought) => {
                Some(Record::Written(token))
            }
            Effect::Refused { txn } if txn == sought => Some(Record::Conflict),
            _ => None,
        })
    }

    /// The token that this very write produced, if it was applied and is remembered.
    fn recent_result(&self, sought: Write) -> Option<Symbol> {
        let applied = self
            .effects
            .iter()
            .rev()
            .filter_map(|effect| match *effect {
                Effect::Applied { write, token } => Some((write, token)),
                _ => None,
            });
        let mut recent = applied.take(RECENT_TOKENS);
        recent.find_map(|(write, token)| {
            let is_same = write.compare == sought.compare && write.data == sought.data;
            is_same.then_some(token)
        })
    }

    /// Whether the session has never had this token, unless this very write produced it and was
    /// lost.
    fn is_new(&self, write: Write, token: Symbol) -> bool {
        let had = |effect: &Effect| match *effect {
            Effect::Created { token: had, .. } | Effect::Applied { token: had, .. } => had == token,
            _ => false,
        };
        let other = |effect: &&Effect| match **effect {
            Effect::Applied { write: lost, .. } => {
                (lost.compare, lost.data) != (write.compare, write.data)
            }
            _ => true,
        };
        !self.effects.iter().any(had) && !self.lost.iter().filter(other).any(had)
    }

    fn after(&self, effect: Effect) -> Self {
        let mut after = self.clone();
        after.effects.push(effect);
        after
    }

    fn after_if(&self, condition: bool, effect: Effect) -> Vec<Self> {
        condition.then(|| self.after(effect)).into_iter().collect()
    }

    fn same_if(&self, condition: bool) -> Vec<Self> {
        condition.then(|| self.clone()).into_iter().collect()
    }

    /// The states after the loss of the last effect, the last two, and so on.
    fn tails_lost(&self) -> Vec<Self> {
        let lengths = (0..self.effects.len()).rev();
        let without_tail = lengths.map(|length| {
            let mut state = self.clone();
            let tail = state.effects.split_off(length);
            state.lost.extend(tail);
            state
        });
        without_tail.collect()
    }
}
