//! The events of sentinels, and who is subscribed to them.

use super::Sentinels;
use crate::redis::Reply;

impl Sentinels {
    /// Makes each sentinel deny its events to clients. Commands stay allowed.
    pub fn deny_events(&self) {
        // The sentinels greet each other on this channel.
        self.set_user("default", &["resetchannels", "&__sentinel__:hello"]);
        for sentinel in &self.processes {
            let denied = sentinel.command(&["SUBSCRIBE", "+switch-master"]);
            assert!(
                matches!(&denied, Reply::Error(error) if error.starts_with("NOPERM")),
                "{denied:?}"
            );
        }
    }

    /// For each sentinel, the channels that its client with most of them is subscribed to.
    pub fn subscriptions(&self) -> [usize; 3] {
        std::array::from_fn(|index| {
            let clients = self.processes[index].command(&["CLIENT", "LIST"]).text();
            let channels = clients.split_whitespace().filter_map(|field| {
                let count = field.strip_prefix("sub=")?;
                count.parse().ok()
            });
            channels.max().unwrap_or(0)
        })
    }
}
