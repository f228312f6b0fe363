//! Which node of a Cluster has which hash slots, as CLUSTER SLOTS says.

use crate::store::redis::address::Address;
use fred::types::Value;

/// Consecutive slots and the address of their primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotRange {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) primary: Address,
}

/// What one node says about the Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterView {
    /// The highest epoch that the node knows. Every failover and every move of a slot raises it, so
    /// of two views the one with the higher epoch is newer.
    pub(super) epoch: u64,
    /// The ranges, by their first slot.
    pub(super) ranges: Vec<SlotRange>,
    /// The replicas. One of them is asked if no primary answers.
    pub(super) replicas: Vec<Address>,
}

impl ClusterView {
    /// Parses the replies to CLUSTER INFO and CLUSTER SLOTS of the node at `asked`. Returns `None`
    /// if they are of another form.
    pub(super) fn parse(info: &str, slots: &Value, asked: &Address) -> Option<Self> {
        let epoch = info
            .lines()
            .find_map(|line| line.strip_prefix("cluster_current_epoch:"))?;
        let Value::Array(entries) = slots else {
            return None;
        };
        let (mut ranges, mut replicas) = (Vec::new(), Vec::new());
        for entry in entries {
            let Value::Array(entry) = entry else {
                return None;
            };
            let [first, last, primary, more @ ..] = entry.as_slice() else {
                return None;
            };
            ranges.push(SlotRange {
                first: slot(first)?,
                last: slot(last)?,
                primary: address(primary, asked)?,
            });
            replicas.extend(more.iter().filter_map(|replica| address(replica, asked)));
        }
        ranges.sort_by_key(|range| range.first);
        replicas.sort();
        replicas.dedup();
        Some(Self {
            epoch: epoch.trim().parse().ok()?,
            ranges,
            replicas,
        })
    }

    /// Number of slots that have a primary.
    pub(super) fn coverage(&self) -> usize {
        let width = |range: &SlotRange| usize::from(range.last.saturating_sub(range.first)) + 1;
        self.ranges.iter().map(width).sum()
    }
}

fn slot(value: &Value) -> Option<u16> {
    u16::try_from(value.as_i64()?)
        .ok()
        .filter(|slot| *slot < 16384)
}

/// Parses `[host, port, id, …]`. A host that is null or empty is the one that was asked.
fn address(value: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(fields) = value else {
        return None;
    };
    let port = u16::try_from(fields.get(1)?.as_i64()?).ok()?;
    match fields.first()?.as_string() {
        Some(host) if !host.is_empty() && host != "?" => Some(Address::Tcp(host, port)),
        _ => Address::on_host_of(port, asked),
    }
}
