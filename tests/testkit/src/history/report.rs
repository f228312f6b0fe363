//! Describes what a check found, and lists the calls of a history.

use std::fmt;

use super::{Call, History, Operation, Outcome};

/// Characters of a token or a payload in a report.
const SHOWN: usize = 24;

/// Why a history is not one of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A response that the protocol does not allow.
    Malformed {
        /// The call.
        call: String,
    },
    /// No order of the calls explains all responses.
    NotLinearizable {
        /// The calls that nothing explains after the longest order that the search found.
        stuck: Vec<String>,
    },
    /// The search did not end within its bound.
    Undecided,
}

impl Violation {
    pub(super) fn malformed(history: &History, index: usize) -> Self {
        let call = history.calls[index].to_string();
        Self::Malformed { call }
    }

    pub(super) fn not_linearizable(history: &History, stuck: &[usize]) -> Self {
        let stuck = stuck.iter().map(|index| history.calls[*index].to_string());
        Self::NotLinearizable {
            stuck: stuck.collect(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { call } => write!(f, "not a response of the protocol: {call}"),
            Self::NotLinearizable { stuck } => {
                write!(f, "no order of the calls explains:")?;
                stuck.iter().try_for_each(|call| write!(f, "\n    {call}"))
            }
            Self::Undecided => write!(f, "undecided: the search did not end within its bound"),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut calls: Vec<_> = self.calls.iter().collect();
        calls.sort_by_key(|call| call.begin);
        calls
            .iter()
            .try_for_each(|call| writeln!(f, "    {call}"))?;
        self.doubts.iter().try_for_each(|doubt| {
            let (begin, end) = (doubt.begin.as_secs_f64(), doubt.end.as_secs_f64());
            writeln!(f, "    {begin:.3}–{end:.3} s: two stores may answer")
        })?;
        self.losses.iter().try_for_each(|loss| {
            let (begin, end) = (loss.begin.as_secs_f64(), loss.end.as_secs_f64());
            writeln!(f, "    {begin:.3}–{end:.3} s: the store may lose data")
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begin, end) = (self.begin.as_secs_f64(), self.end.as_secs_f64());
        write!(f, "{begin:.3}–")?;
        if self.outcome != Outcome::Unknown {
            write!(f, "{end:.3}")?;
        }
        let Self {
            client,
            operation,
            outcome,
            ..
        } = self;
        write!(f, " s {client}: {operation} → {outcome}")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { data } => write!(f, "create {}", short(data)),
            Self::Read { known: None } => write!(f, "read"),
            Self::Read { known: Some(token) } => write!(f, "read unless {}", short(token)),
            Self::Write { compare, data, txn } => {
                write!(f, "write {} over {}", short(data), short(compare))?;
                txn.iter()
                    .try_for_each(|txn| write!(f, " as {}", short(txn)))
            }
            Self::Delete => write!(f, "delete"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { token } | Self::Written { token } => write!(f, "{}", short(token)),
            Self::Found { token, data } => write!(f, "{} with {}", short(data), short(token)),
            Self::Unchanged => write!(f, "unchanged"),
            Self::Conflict { current: None } => write!(f, "conflict"),
            Self::Conflict {
                current: Some(token),
            } => write!(f, "conflict with {}", short(token)),
            Self::Deleted => write!(f, "deleted"),
            Self::Gone => write!(f, "gone"),
            Self::Rejected => write!(f, "rejected"),
            Self::Unknown => write!(f, "unknown"),
            Self::Malformed { status } => write!(f, "malformed ({status})"),
        }
    }
}

fn short(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start:?}")
}
