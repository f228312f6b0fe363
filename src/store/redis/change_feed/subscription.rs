//! One subscription: how it begins, what its messages say, and how its end is noticed.

use crate::store::Changes;
use crate::store::redis::error_kind::{is_permission_error, is_refusal};
use crate::store::redis::error_text::describe;
use crate::store::redis::keys::Keys;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{Message, Value};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// Interval of the PINGs, and the time limit of each. A connection that delivers nothing more is
/// noticed after both.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Time limit of each step of a subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The message that a worker publishes to check the channel. It is the key of no session.
const PROBE: &str = "";

/// Why a subscription ended or did not begin.
pub(super) enum FeedEnd {
    /// Redis denies this user the channel, for this reason.
    Denied(String),
    /// The connection was lost, for this reason.
    Lost(String),
    /// The server is no primary any more, or has a new connection for scripts.
    Replaced,
}

impl FeedEnd {
    /// The end after the error of a command about the channel.
    fn from_error(error: &Error) -> Self {
        match describe(error) {
            reason if is_permission_error(&reason) => Self::Denied(reason),
            reason => Self::Lost(reason),
        }
    }
}

/// A subscription that works: it has delivered a message.
pub(super) struct Subscription<'a> {
    client: &'a Client,
    messages: Receiver<Message>,
    keys: &'a Keys,
    changes: &'a Changes,
}

impl<'a> Subscription<'a> {
    /// Subscribes, and returns once a message has arrived.
    ///
    /// # Errors
    /// Why the subscription does not work.
    pub(super) async fn begin(
        client: &'a Client,
        keys: &'a Keys,
        changes: &'a Changes,
    ) -> Result<Self, FeedEnd> {
        let channel = keys.changes();
        let mut messages = client.message_rx();
        // First without the subscription: what Redis denies decides whether the scripts publish.
        let published = publish_probe(client, channel.name()).await;
        match published {
            Ok(()) => channel.set_silent(false),
            Err(FeedEnd::Denied(_)) => channel.set_silent(true),
            // Whether it is denied is as unknown as before.
            Err(FeedEnd::Lost(_) | FeedEnd::Replaced) => {}
        }
        published?;
        match timeout(SUBSCRIBE_TIMEOUT, client.subscribe(channel.name())).await {
            Ok(sent) => sent.map_err(|error| FeedEnd::from_error(&error))?,
            Err(_) => return Err(FeedEnd::Lost("SUBSCRIBE was not sent".to_owned())),
        }
        // fred does not wait for the reply to SUBSCRIBE. If it is an error, the next command may get it,
        // or nobody. So the message decides.
        publish_probe(client, channel.name()).await?;
        match timeout(SUBSCRIBE_TIMEOUT, messages.recv()).await {
            // It may be a change already.
            Ok(Ok(message)) => report(&message, keys, changes),
            Ok(Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) => return Err(FeedEnd::Lost("closed".to_owned())),
            Err(_) => return Err(FeedEnd::Denied("no message arrived".to_owned())),
        }
        Ok(Self {
            client,
            messages,
            keys,
            changes,
        })
    }

    /// Reports changes until the connection is lost.
    pub(super) async fn report_until_lost(mut self) -> FeedEnd {
        tokio::select! {
            end = report_changes(&mut self.messages, self.keys, self.changes) => end,
            end = check_connection(self.client) => end,
        }
    }
}

async fn publish_probe(client: &Client, channel: &str) -> Result<(), FeedEnd> {
    match timeout(
        SUBSCRIBE_TIMEOUT,
        client.publish::<Value, _, _>(channel, PROBE),
    )
    .await
    {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(FeedEnd::from_error(&error)),
        Err(_) => Err(FeedEnd::Lost("no reply to PUBLISH".to_owned())),
    }
}

/// Reports the change that each message is about, until no message can come any more.
async fn report_changes(
    messages: &mut Receiver<Message>,
    keys: &Keys,
    changes: &Changes,
) -> FeedEnd {
    loop {
        match messages.recv().await {
            Ok(message) => report(&message, keys, changes),
            // Hints were lost. This wakes every watcher.
            Err(RecvError::Lagged(_)) => changes.set_complete(true),
            Err(RecvError::Closed) => return FeedEnd::Lost("closed".to_owned()),
        }
    }
}

fn report(message: &Message, keys: &Keys, changes: &Changes) {
    let key = message.value.as_bytes();
    if let Some(id) = key.and_then(|key| keys.parse_session(key)) {
        changes.report(id);
    }
}

/// Asks the server at intervals, and returns when it does not answer any more.
async fn check_connection(client: &Client) -> FeedEnd {
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        match timeout(PING_TIMEOUT, client.ping::<Value>(None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => match describe(&error) {
                // A denied PING is an answer too.
                reason if is_refusal(&reason) => {}
                reason => return FeedEnd::Lost(reason),
            },
            Err(_) => return FeedEnd::Lost("no reply to PING".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FeedEnd, report_changes};
    use crate::model::SessionId;
    use crate::store::redis::keys::Keys;
    use crate::store::{ChangeWatcher, Changes};
    use fred::types::config::Server;
    use fred::types::{Message, MessageKind};
    use futures_util::FutureExt;
    use tokio::sync::broadcast;

    fn is_woken(watcher: &ChangeWatcher<'_>) -> bool {
        watcher.changed().now_or_never().is_some()
    }

    #[tokio::test]
    async fn each_watcher_is_woken_if_messages_were_lost() {
        let (keys, changes) = (Keys::new("mrv:"), Changes::new(true));
        let ids = [(); 3].map(|()| SessionId::random());
        let watchers = ids.map(|id| changes.watch(id, changes.mark(id), 1).expect("room"));
        for (capacity, woken) in [(2, [true, true, false]), (1, [true; 3])] {
            let (sender, mut messages) = broadcast::channel(capacity);
            for id in &ids[..2] {
                let sent = sender.send(Message {
                    channel: keys.changes().name().into(),
                    value: keys.session(*id).into(),
                    kind: MessageKind::Message,
                    server: Server::new("redis", 6379),
                });
                sent.expect("a receiver");
            }
            drop(sender);
            let end = report_changes(&mut messages, &keys, &changes).await;
            assert!(matches!(end, FeedEnd::Lost(_)));
            assert_eq!(watchers.each_ref().map(is_woken), woken, "{capacity}");
        }
    }
}
