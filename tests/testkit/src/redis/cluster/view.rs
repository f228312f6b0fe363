//! A Cluster as one of its nodes sees it.

/// A line of `CLUSTER NODES`.
#[derive(Debug)]
pub(super) struct NodeView {
    pub(super) id: String,
    pub(super) is_primary: bool,
    /// Whether the nodes have agreed that it is down.
    pub(super) is_down: bool,
    slots: Vec<(u16, u16)>,
}

impl NodeView {
    /// Parses `ID ADDRESS FLAGS PRIMARY PING PONG EPOCH LINK SLOTS…`, where slots that migrate are
    /// in brackets.
    pub(super) fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split_whitespace().collect();
        let has_flag = |name| words[2].split(',').any(|flag| flag == name);
        let ranges = words.iter().skip(8).filter(|word| !word.starts_with('['));
        let range = |word: &&str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Self {
            id: words[0].to_owned(),
            is_primary: has_flag("master"),
            is_down: has_flag("fail"),
            slots: ranges.filter_map(range).collect(),
        }
    }

    pub(super) fn owns(&self, slot: u16) -> bool {
        self.is_primary && self.slots().any(|own| own == slot)
    }

    /// The slots in ascending order.
    pub(super) fn slots(&self) -> impl Iterator<Item = u16> {
        self.slots.iter().flat_map(|(first, last)| *first..=*last)
    }
}

/// Number of primaries.
pub(super) fn primaries(view: &[NodeView]) -> usize {
    view.iter().filter(|node| node.is_primary).count()
}
