//! Sentinels: which server is the primary, followed as they announce it.
//!
//! Each sentinel has one connection for its events and for questions. Every event of a failover, every
//! failed call and every second has all of them asked. Of their answers the one with the highest
//! epoch counts, since each failover raises it. A replica that a sentinel promotes is used before they
//! name it.

mod answers;

use crate::store::redis::address::Address;
use crate::store::redis::dial::{Opened, Role};
use crate::store::redis::error_text::describe;
use crate::store::redis::node::{Node, NodeContext};
use crate::store::redis::outage_log::OutageLog;
use crate::store::redis::sentinel::answers::{Answer, Answers};
use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{ClusterHash, CustomCommand, Message};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The event of a sentinel that promotes a replica: it has just sent REPLICAOF NO ONE.
const PROMOTION: &str = "+failover-state-wait-promotion";

/// Events after which the sentinels are asked at once: a replica is being promoted, is about to be
/// announced as the primary, or was announced.
const EVENTS: [&str; 4] = [
    PROMOTION,
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

/// The sentinels of one service, and the primary that they name.
#[derive(Debug)]
pub(super) struct Sentinels {
    service: String,
    primary: RwLock<Option<Arc<Node>>>,
    answers: Mutex<Answers>,
    ask: watch::Sender<()>,
    context: Arc<NodeContext>,
}

/// Why a connection to a sentinel is left.
enum ConnectionEnd {
    /// The sentinel denied its events.
    EventsDenied,
    /// It did not answer, for this reason.
    Lost(String),
}

impl ConnectionEnd {
    /// The end after this error, which may be the reply to a subscription.
    fn from_error(error: String, may_be_of_subscription: bool) -> Self {
        if may_be_of_subscription && error.starts_with("NOPERM") {
            Self::EventsDenied
        } else {
            Self::Lost(error)
        }
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
        // Denied events end a connection. The next one does without, and the one after that has them
        // again, since permissions may change.
        let mut has_events = true;
        loop {
            let reason = match self.context.dialer.open(&sentinel, Role::Sentinel).await {
                Ok(opened) => {
                    log.connected(&sentinel);
                    self.context.problems.clear(&key);
                    let end = self.follow_connection(&sentinel, &opened, has_events).await;
                    has_events = !matches!(end, ConnectionEnd::EventsDenied);
                    match end {
                        ConnectionEnd::EventsDenied => continue,
                        ConnectionEnd::Lost(reason) => reason,
                    }
                }
                Err(reason) => {
                    has_events = true;
                    reason
                }
            };
            log.failed(&sentinel, &reason, self.context.clock.now());
            let text = format!("sentinel {sentinel}: {reason}");
            self.context.report_unreached(&text);
            self.context.problems.set(key.clone(), text);
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Asks the sentinel, again and again, until it does not answer.
    async fn follow_connection(
        &self,
        sentinel: &Address,
        opened: &Opened,
        has_events: bool,
    ) -> ConnectionEnd {
        let client = &opened.client;
        let mut events = client.message_rx();
        if has_events && let Err(error) = client.subscribe(EVENTS.to_vec()).await {
            return ConnectionEnd::from_error(describe(&error), true);
        }
        let mut ask = self.ask.subscribe();
        let mut is_first = true;
        loop {
            match timeout(ASK_TIMEOUT, self.query_primary(client)).await {
                Ok(Ok((primary, epoch))) => self.record(sentinel, primary, epoch),
                // fred does not wait for the reply to the subscription. So if the sentinel denies the
                // events, the next command may get the error.
                Ok(Err(reason)) => {
                    return ConnectionEnd::from_error(reason, has_events && is_first);
                }
                Err(_) => return ConnectionEnd::Lost("no reply arrived".to_owned()),
            }
            if is_first && !has_events {
                let server = sentinel;
                tracing::warn!(%server, "this sentinel denies its events, so it is only asked every second; allow the worker's user +subscribe and the channels (docs/redis.md)");
            }
            is_first = false;
            tokio::time::sleep(MIN_INTERVAL).await;
            tokio::select! {
                // An event of any service: the answer shows whether it is this one.
                event = events.recv() => {
                    if let Some(promoted) = event.ok().and_then(|event| self.promoted(&event)) {
                        self.follow_promotion(promoted);
                    }
                    self.suspect();
                }
                _ = ask.changed() => {}
                () = tokio::time::sleep(ASK_INTERVAL) => {}
            }
        }
    }

    /// Returns the primary and the epoch of its configuration.
    async fn query_primary(&self, client: &Client) -> Result<(Address, u64), String> {
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

    /// The replica of this service that is being promoted, according to the event.
    fn promoted(&self, event: &Message) -> Option<Address> {
        if event.channel != PROMOTION {
            return None;
        }
        let text = event.value.as_str()?;
        let fields: Vec<_> = text.split(' ').collect();
        let ["slave", _, host, port, "@", service, ..] = fields[..] else {
            return None;
        };
        let port = port.parse().ok()?;
        (service == self.service).then(|| Address::Tcp(host.to_owned(), port))
    }

    /// Uses a replica that is being promoted. The sentinels name it up to a second later,
    /// and what the old primary acknowledges meanwhile is lost. If it does not become the primary, their
    /// answers count again after [`ANSWER_TTL`](answers::ANSWER_TTL).
    fn follow_promotion(&self, promoted: Address) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.primary();
        if current.is_some_and(|node| *node.address() == promoted) {
            return;
        }
        answers.record_promotion(promoted.clone(), self.context.clock.now());
        self.switch_to(promoted);
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
        answers.record(sentinel.clone(), answer);
        let current = self.primary();
        let is_connected = current
            .as_ref()
            .is_some_and(|node| node.connection().is_some());
        let current = current.as_ref().map(|node| node.address());
        if let Some(primary) = answers.next_primary(now, current, is_connected) {
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
