//! The list `[[auth.homeserver]]`, as a file or the environment writes it.

use crate::config::de::Section;
use crate::config::homeserver::RawHomeserver;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Deserializes the entries: a list of a TOML file, or a map with the numbers 0, 1, … as keys, which is
/// how the environment and `--set` write a list of sections (`RENDEZVOUS_AUTH__HOMESERVER__0__HOST`).
///
/// # Errors
/// For anything but these, and for numbers with a gap, the error shows the syntax of an entry.
pub(super) fn entries<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RawHomeserver>, D::Error> {
    deserializer.deserialize_any(EntriesVisitor)
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Vec<RawHomeserver>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(
            "entries, each under [[auth.homeserver]] in double brackets, or numbered from 0, as in \
             RENDEZVOUS_AUTH__HOMESERVER__0__HOST",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Section(entry)) = entries.next_element()? {
            all.push(entry);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut numbered = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            let unexpected = || A::Error::invalid_value(Unexpected::Other(&key), &self);
            let number: usize = key.parse().map_err(|_| unexpected())?;
            if number.to_string() != key {
                return Err(unexpected());
            }
            let Section(entry) = entries.next_value()?;
            numbered.insert(number, entry);
        }
        for (expected, number) in numbered.keys().enumerate() {
            if expected != *number {
                let reason = format!("entry {number} requires an entry {expected}");
                return Err(A::Error::custom(reason));
            }
        }
        Ok(numbered.into_values().collect())
    }
}
