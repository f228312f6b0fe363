//! Moves hash slots between the primaries of a Cluster, by the commands that an operator's tool
//! sends.

use super::Cluster;
use super::view::NodeView;
use crate::redis::resp::Connection;
use crate::redis::{RedisServer, Reply};

/// A slot that migrates from one primary to another.
///
/// From [`Cluster::begin_migration`] to [`SlotMigration::finish`], the old primary replies `-ASK` for
/// each key of the slot that it does not have.
#[derive(Debug)]
pub struct SlotMigration<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: usize,
    to: usize,
    /// Connections to both primaries.
    old: Connection,
    new: Connection,
}

impl Cluster {
    /// The hash slot of a key.
    #[track_caller]
    pub fn slot(&self, key: &str) -> u16 {
        let node = self.serving().next().expect("a serving node");
        let slot = self.nodes[node].command(&["CLUSTER", "KEYSLOT", key]).int();
        u16::try_from(slot).expect("a slot")
    }

    /// Marks a slot as migrating to `to`.
    #[track_caller]
    pub fn begin_migration(&self, slot: u16, to: usize) -> SlotMigration<'_> {
        let from = self.owner(slot);
        let (old, new) = (self.nodes[from].connect(), self.nodes[to].connect());
        let mut migration = SlotMigration {
            cluster: self,
            slot,
            from,
            to,
            old,
            new,
        };
        migration.mark();
        migration
    }

    /// The slots of a primary, the lowest first.
    #[track_caller]
    pub fn slots_of(&self, primary: usize) -> Vec<u16> {
        let view = self.view(primary);
        let own = view.iter().filter(|node| node.id == self.ids[primary]);
        own.flat_map(NodeView::slots).collect()
    }

    /// Moves this number of slots with their keys, the lowest first, one after the other.
    #[track_caller]
    pub fn reshard(&self, count: usize, from: usize, to: usize) {
        let slots: Vec<_> = self.slots_of(from).into_iter().take(count).collect();
        assert_eq!(slots.len(), count, "the primary has too few slots");
        let (old, new) = (self.nodes[from].connect(), self.nodes[to].connect());
        let mut migration = SlotMigration {
            cluster: self,
            slot: 0,
            from,
            to,
            old,
            new,
        };
        for slot in slots {
            migration.slot = slot;
            migration.mark();
            migration.move_all_keys();
            migration.assign();
        }
    }
}

impl SlotMigration<'_> {
    fn mark(&mut self) {
        let [from, to] = [self.from, self.to].map(|at| self.cluster.ids[at].as_str());
        let slot = self.slot.to_string();
        assert_ok(
            &mut self.new,
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", from],
        );
        assert_ok(
            &mut self.old,
            &["CLUSTER", "SETSLOT", &slot, "MIGRATING", to],
        );
    }

    /// Moves one key.
    #[track_caller]
    pub fn move_key(&mut self, key: &str) {
        let port = self.cluster.nodes[self.to].announced_port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        assert_ok(&mut self.old, &migrate);
    }

    /// Moves each key that the slot has left on the old primary.
    #[track_caller]
    pub fn move_all_keys(&mut self) {
        let slot = self.slot.to_string();
        loop {
            let some = ["CLUSTER", "GETKEYSINSLOT", &slot, "100"];
            let keys = self.old.command(&some).texts();
            if keys.is_empty() {
                return;
            }
            for key in keys {
                // The key may have expired or been deleted in the meantime: NOKEY.
                let port = self.cluster.nodes[self.to].announced_port().to_string();
                let migrate = ["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"];
                let reply = self.old.command(&migrate);
                assert!(matches!(reply, Reply::Simple(_)), "{reply:?}");
            }
        }
    }

    /// Makes the new primary the owner of the slot, which must have no key left on the old one.
    #[track_caller]
    pub fn finish(mut self) {
        self.assign();
        assert_eq!(self.cluster.owner(self.slot), self.to);
    }

    /// The new owner comes first: otherwise no node would own the slot for a moment.
    fn assign(&mut self) {
        let owner = self.cluster.ids[self.to].as_str();
        let slot = self.slot.to_string();
        let assign = ["CLUSTER", "SETSLOT", &slot, "NODE", owner];
        assert_ok(&mut self.new, &assign);
        assert_ok(&mut self.old, &assign);
    }
}

impl RedisServer {
    #[track_caller]
    pub(in crate::redis) fn assert_ok(&self, command: &[&str]) {
        assert_ok(&mut self.connect(), command);
    }
}

#[track_caller]
fn assert_ok(connection: &mut Connection, command: &[&str]) {
    let reply = connection.command(command);
    assert_eq!(reply, Reply::Simple("OK".into()), "{command:?}");
}
