//! What an answer means to its client, compared with what the client has seen before.

use crate::client::{Client, Operation};
use crate::script::Reply;

/// What a client sees. Each row of the table in `docs/consistency.md` is a sequence of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sight {
    /// A read: nothing new, and the payload is the one that the client has seen.
    NothingNew,
    /// A read: a token that the client has not seen, with its payload.
    NewPayload,
    /// A read: a token and payload that the client has seen before its newest one.
    OldPayload,
    /// A read: nothing new, although the payload is not the one that the client has seen. The client
    /// misses a message.
    MissedPayload,
    /// A read: a token that the client has seen, with another payload.
    ReusedToken,
    /// A write: applied, over the payload that the client had seen; now or by an earlier try.
    Applied,
    /// A write: applied over a payload that the client had not seen. That message is lost.
    OverwroteUnseen,
    /// A write: conflict.
    Conflict,
    /// 404.
    NotFound,
    /// The session was created.
    Created,
    /// The session was deleted.
    Deleted,
    /// The session answers although the client got a 404 or has deleted it.
    LivesAgain,
}

impl Sight {
    /// Whether the answer breaks the meaning of tokens without a sign that the client could notice.
    pub fn is_silent_damage(self) -> bool {
        matches!(
            self,
            Self::MissedPayload | Self::ReusedToken | Self::OverwroteUnseen
        )
    }
}

/// Returns what a reply means to the client that gets it.
pub fn classify(client: &Client, operation: Operation, reply: Reply) -> Sight {
    let is_lost = matches!(reply, Reply::Gone | Reply::Deleted);
    if client.over && !is_lost {
        return Sight::LivesAgain;
    }
    match (reply, operation) {
        (Reply::Created(_), _) => Sight::Created,
        (Reply::Deleted, _) => Sight::Deleted,
        (Reply::Gone, _) => Sight::NotFound,
        (Reply::Conflict(_), _) => Sight::Conflict,
        (Reply::Unchanged(now), _) => match client.belief() {
            Some((_, data)) if data == now.data => Sight::NothingNew,
            _ => Sight::MissedPayload,
        },
        (Reply::Found(now), _) => {
            let known = client.seen.iter().find(|(token, _)| *token == now.token);
            match known {
                None => Sight::NewPayload,
                Some((_, data)) if *data == now.data => Sight::OldPayload,
                Some(_) => Sight::ReusedToken,
            }
        }
        (Reply::Written { overwritten, .. }, Operation::Write { believed, .. })
            if overwritten != believed =>
        {
            Sight::OverwroteUnseen
        }
        (Reply::Written { .. } | Reply::Retried(_), _) => Sight::Applied,
        (Reply::Refused, _) => unreachable!("a worker follows a refusal to the primary"),
    }
}
