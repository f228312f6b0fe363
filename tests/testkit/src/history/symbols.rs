//! Requests and responses with numbers in place of tokens, payloads and txnIds, and what the responses
//! of a history show about tokens.

use std::collections::{BTreeMap, BTreeSet};

use super::{Operation, Outcome};

/// A number in place of a token, a payload or a txnId, so that states are compared quickly.
pub(super) type Symbol = u32;

/// A request, with symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Create {
        data: Symbol,
    },
    Read {
        known: Option<Symbol>,
    },
    Write(Write),
    Delete,
    /// The end of the lifetime.
    Expire,
    /// The store loses the end of what it has acknowledged.
    Lose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Write {
    pub(super) compare: Symbol,
    pub(super) data: Symbol,
    pub(super) txn: Option<Symbol>,
}

/// A response, with symbols. `Done` is that of the two steps without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    Created { token: Symbol },
    Found { token: Symbol, data: Symbol },
    Unchanged,
    Written { token: Symbol },
    Conflict { current: Option<Symbol> },
    Deleted,
    Gone,
    Unknown,
    Done,
}

/// Replaces texts by symbols.
#[derive(Debug, Default)]
pub(super) struct Symbols(BTreeMap<String, Symbol>);

impl Symbols {
    fn of(&mut self, text: &str) -> Symbol {
        if let Some(known) = self.0.get(text) {
            return *known;
        }
        let new = Symbol::try_from(self.0.len()).expect("fewer than 2^32 texts");
        self.0.insert(text.to_owned(), new);
        new
    }

    /// The number of symbols so far. Larger symbols are free.
    pub(super) fn count(&self) -> Symbol {
        Symbol::try_from(self.0.len()).expect("fewer than 2^32 texts")
    }

    pub(super) fn request(&mut self, operation: &Operation) -> Request {
        match operation {
            Operation::Create { data } => Request::Create {
                data: self.of(data),
            },
            Operation::Read { known } => Request::Read {
                known: known.as_ref().map(|token| self.of(token)),
            },
            Operation::Write { compare, data, txn } => Request::Write(Write {
                compare: self.of(compare),
                data: self.of(data),
                txn: txn.as_ref().map(|txn| self.of(txn)),
            }),
            Operation::Delete => Request::Delete,
        }
    }

    /// `None` if the outcome constrains nothing.
    pub(super) fn response(&mut self, outcome: &Outcome) -> Option<Response> {
        Some(match outcome {
            Outcome::Created { token } => Response::Created {
                token: self.of(token),
            },
            Outcome::Found { token, data } => Response::Found {
                token: self.of(token),
                data: self.of(data),
            },
            Outcome::Unchanged => Response::Unchanged,
            Outcome::Written { token } => Response::Written {
                token: self.of(token),
            },
            Outcome::Conflict { current } => Response::Conflict {
                current: current.as_ref().map(|token| self.of(token)),
            },
            Outcome::Deleted => Response::Deleted,
            Outcome::Gone => Response::Gone,
            Outcome::Unknown => Response::Unknown,
            Outcome::Rejected | Outcome::Malformed { .. } => return None,
        })
    }
}

/// Tokens that some response shows, with the payloads that responses show beside each.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<Symbol, BTreeSet<Symbol>>);

impl Shown {
    /// Learns from a call.
    pub(super) fn learn(&mut self, request: Request, response: Response) {
        // A client may have a token from a response of unknown outcome (R2.14).
        let named = match request {
            Request::Write(write) => Some(write.compare),
            Request::Read { known } => known,
            _ => None,
        };
        if let Some(token) = named {
            self.0.entry(token).or_default();
        }
        let (token, data) = match (request, response) {
            (Request::Create { data }, Response::Created { token })
            | (_, Response::Found { token, data }) => (token, Some(data)),
            // With a txnId, the response may be the record of a write with another payload.
            (Request::Write(write), Response::Written { token }) => {
                (token, write.txn.is_none().then_some(write.data))
            }
            (
                _,
                Response::Conflict {
                    current: Some(current),
                },
            ) => (current, None),
            _ => return,
        };
        self.0.entry(token).or_default().extend(data);
    }

    /// The tokens that a write of this payload may have produced.
    pub(super) fn candidates(&self, data: Symbol) -> impl Iterator<Item = Symbol> + '_ {
        let may_hold = move |beside: &BTreeSet<Symbol>| beside.is_empty() || beside.contains(&data);
        let shown = self.0.iter().filter(move |(_, beside)| may_hold(beside));
        shown.map(|(token, _)| *token)
    }
}
