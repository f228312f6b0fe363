//! Sentinels: which server is the primary, followed as they announce it.
//!
//! Each sentinel has one connection for its events and for questions. Every event of a failover, every
//! failed call and every second has all of them asked. Of their answers the one with the highest
//! epoch counts, since each failover raises it.

use crate::store::redis::address::Address;
use crate::store::redis::dial::{Opened, Role};
use crate::store::redis::error_text::describe;
use crate::store::redis::node::{Node, NodeContext};
use crate::store::redis::outage_log::OutageLog;
use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{ClusterHash, CustomCommand};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Events after which the sentinels are asked at once: the promoted replica is about to be announced,
/// or was announced.
const EVENTS: [&str; 3] = [
    "+switch-master",
    "+promoted-slave",
    "+failover-state-reconf-slaves",
];

/// Interval at which each sentinel is asked.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// Time limit of one answer. A sentinel that is slower gets a new connection.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Minimum time between two questions to one sentinel.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// Pause between two attempts to connect to a sentinel.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long an answer counts. A sentinel that has not answered since may be cut off.
const ANSWER_TTL: Duration = Duration::from_secs(5);

/// The sentinels of one service, and the primary that they name.
#[derive(Debug)]
pub(super) struct Sentinels {
    service: String,
    primary: RwLock<Option<Arc<Node>>>,
    answers: Mutex<Answers>,
    ask: watch::Sender<()>,
    context: Arc<NodeContext>,
}

/// The last answer of each sentinel.
#[derive(Debug, Default)]
struct Answers {
    by_sentinel: HashMap<Address, Answer>,
    /// The highest epoch at which the current primary was named.
    epoch: u64,
}

/// What one sentinel answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    primary: Address,
    epoch: u64,
    at: Duration,
}

impl Answers {
    /// Returns the server to switch to, if any. A lower epoch than the current primary's is that of a
    /// sentinel that was cut off, unless that primary is not reachable either (after SENTINEL RESET
    /// epochs begin anew).
    fn next(
        &mut self,
        now: Duration,
        current: Option<&Address>,
        is_connected: bool,
    ) -> Option<Address> {
        let is_recent = |answer: &Answer| now.saturating_sub(answer.at) < ANSWER_TTL;
        self.by_sentinel.retain(|_, answer| is_recent(answer));
        let is_current = |answer: &Answer| current == Some(&answer.primary);
        // At the same epoch the current primary stays.
        let newest = self
            .by_sentinel
            .values()
            .max_by_key(|answer| (answer.epoch, is_current(answer)))?;
        if newest.epoch < self.epoch && is_connected {
            return None;
        }
        self.epoch = newest.epoch;
        (!is_current(newest)).then(|| newest.primary.clone())
    }
}

impl Sentinels {
    pub(super) fn new(context: &Arc<NodeContext>, service: String) -> Self {
        Self {
            service,
            primary: RwLock::new(None),
            answers: Mutex::default(),
            ask: watch::Sender::new(()),
            context: Arc::clone(context),
        }
    }

    /// The primary, if it is known.
    pub(super) fn primary(&self) -> Option<Arc<Node>> {
        self.primary
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Has the sentinels asked soon.
    pub(super) fn suspect(&self) {
        self.ask.send_replace(());
    }

    /// Follows one sentinel. Never returns.
    pub(super) async fn follow(&self, sentinel: Address) {
        let mut log = OutageLog::default();
        let key = format!("sentinel {sentinel}");
        loop {
            let reason = match self.context.dialer.open(&sentinel, Role::Sentinel).await {
                Ok(opened) => {
                    log.connected(&sentinel);
                    self.context.problems.clear(&key);
                    self.follow_connection(&sentinel, &opened).await
                }
                Err(reason) => reason,
            };
            log.failed(&sentinel, &reason, self.context.clock.now());
            let text = format!("sentinel {sentinel}: {reason}");
            self.context.report_unreached(&text);
            self.context.problems.set(key.clone(), text);
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Asks the sentinel, again and again, until it does not answer. Returns why.
    async fn follow_connection(&self, sentinel: &Address, opened: &Opened) -> String {
        let client = &opened.client;
        let mut events = client.message_rx();
        if let Err(error) = client.subscribe(EVENTS.to_vec()).await {
            let error = describe(&error);
            tracing::debug!(error, server = %sentinel, "this sentinel's events are not available");
        }
        let mut ask = self.ask.subscribe();
        loop {
            match timeout(ASK_TIMEOUT, self.question(client)).await {
                Ok(Ok((primary, epoch))) => self.record(sentinel, primary, epoch),
                Ok(Err(reason)) => return reason,
                Err(_) => return "no reply arrived".to_owned(),
            }
            tokio::time::sleep(MIN_INTERVAL).await;
            tokio::select! {
                // An event of any service: the answer shows whether it is this one.
                _ = events.recv() => self.suspect(),
                _ = ask.changed() => {}
                () = tokio::time::sleep(ASK_INTERVAL) => {}
            }
        }
    }

    /// Returns the primary and the epoch of its configuration.
    async fn question(&self, client: &Client) -> Result<(Address, u64), String> {
        let sentinel = CustomCommand::new_static("SENTINEL", ClusterHash::Random, false);
        let question = |what: &'static str| vec![what.to_owned(), self.service.clone()];
        let fields: HashMap<String, String> = client
            .custom(sentinel.clone(), question("MASTER"))
            .await
            .map_err(|error| describe(&error))?;
        let epoch = fields
            .get("config-epoch")
            .and_then(|epoch| epoch.parse().ok());
        // Asked second: after a promotion the leader names the new primary here before MASTER does.
        let named: Option<(String, u16)> = client
            .custom(sentinel, question("GET-MASTER-ADDR-BY-NAME"))
            .await
            .map_err(|error| describe(&error))?;
        match (named, epoch) {
            (Some((host, port)), Some(epoch)) => Ok((Address::Tcp(host, port), epoch)),
            _ => Err("the sentinel does not know the service's primary".to_owned()),
        }
    }

    fn record(&self, sentinel: &Address, primary: Address, epoch: u64) {
        let now = self.context.clock.now();
        // Held until the switch: two sentinels that answer at once would both see the old primary,
        // and the second would replace the new one.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = Answer {
            primary,
            epoch,
            at: now,
        };
        answers.by_sentinel.insert(sentinel.clone(), answer);
        let current = self.primary();
        let is_connected = current
            .as_ref()
            .is_some_and(|node| node.connection().is_some());
        let current = current.as_ref().map(|node| node.address());
        if let Some(primary) = answers.next(now, current, is_connected) {
            self.switch_to(primary);
        }
    }

    fn switch_to(&self, primary: Address) {
        let node = Arc::new(Node::start(&self.context, primary, Role::Primary));
        let to = node.address().clone();
        let previous = {
            let mut current = self.primary.write().unwrap_or_else(PoisonError::into_inner);
            current.replace(node)
        };
        if let Some(previous) = previous {
            let from = previous.address();
            tracing::warn!(%from, %to, "the sentinels demoted this Redis, following the new primary");
        } else {
            tracing::info!(primary = %to, "the sentinels named the primary");
        }
        self.context.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_TTL, Address, Answer, Answers};
    use std::time::Duration;

    fn address(port: u16) -> Address {
        Address::Tcp("redis".to_owned(), port)
    }

    /// Sentinel `n` answered at this second.
    fn hear(answers: &mut Answers, n: u16, primary: u16, epoch: u64, at: u64) {
        let answer = Answer {
            primary: address(primary),
            epoch,
            at: Duration::from_secs(at),
        };
        answers.by_sentinel.insert(address(n), answer);
    }

    #[test]
    fn sentinel_that_was_cut_off_brings_back_no_old_primary() {
        let mut answers = Answers::default();
        hear(&mut answers, 1, 7001, 1, 0);
        assert_eq!(
            answers.next(Duration::ZERO, None, false),
            Some(address(7001))
        );
        hear(&mut answers, 2, 7002, 2, 0);
        let (old, new) = (address(7001), address(7002));
        let next = answers.next(Duration::ZERO, Some(&old), true);
        assert_eq!(next, Some(new.clone()));
        // Only the one that was cut off still answers.
        let late = 2 * ANSWER_TTL.as_secs();
        hear(&mut answers, 1, 7001, 1, late);
        let now = Duration::from_secs(late);
        assert_eq!(answers.next(now, Some(&new), true), None);
        assert_eq!(answers.next(now, Some(&new), false), Some(old));
    }
}
