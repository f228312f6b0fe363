//! What a server says about itself: the reply to INFO.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The fields of INFO. A server may leave out any.
#[derive(Debug, Default)]
pub(super) struct ServerInfo(HashMap<String, String>);

/// How much memory one Redis uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoryUse {
    /// `used_memory`, in bytes.
    pub(super) used: u64,
    /// `maxmemory`, in bytes. 0 if there is no limit.
    pub(super) limit: u64,
}

impl ServerInfo {
    /// Parses the reply. Lines that are no field are left out.
    pub(super) fn parse(reply: &str) -> Self {
        let lines = reply.lines().filter_map(|line| line.split_once(':'));
        let fields = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self(fields.collect())
    }

    /// Returns a field.
    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Returns a field that is a number.
    pub(super) fn number(&self, field: &str) -> Option<u64> {
        self.get(field)?.parse().ok()
    }

    /// Returns the memory that the server uses.
    pub(super) fn memory(&self) -> Option<MemoryUse> {
        Some(MemoryUse {
            used: self.number("used_memory")?,
            limit: self.number("maxmemory")?,
        })
    }

    /// Returns the name and the version, such as `Redis 7.2.4`. Valkey has a `redis_version` too, for
    /// compatibility with clients.
    pub(super) fn name_and_version(&self) -> Option<String> {
        let valkey = self.get("valkey_version");
        let valkey = valkey.map(|version| format!("Valkey {version}"));
        valkey.or_else(|| Some(format!("Redis {}", self.get("redis_version")?)))
    }

    /// Returns the server's clock.
    pub(super) fn time(&self) -> Option<SystemTime> {
        let since_epoch = Duration::from_micros(self.number("server_time_usec")?);
        SystemTime::UNIX_EPOCH.checked_add(since_epoch)
    }
}

/// Returns the server that is nearest to its limit; one without a limit only if no other has one.
pub(super) fn fullest(servers: impl Iterator<Item = MemoryUse>) -> Option<MemoryUse> {
    servers.max_by(|one, other| {
        let has_limit = |server: &MemoryUse| server.limit > 0;
        // used / limit, without division.
        let [left, right] = [(one, other), (other, one)]
            .map(|(a, b)| u128::from(a.used) * u128::from(b.limit.max(1)));
        let by_limit = has_limit(one).cmp(&has_limit(other));
        by_limit.then(left.cmp(&right))
    })
}

#[cfg(test)]
mod tests {
    use super::{MemoryUse, ServerInfo, fullest};
    use std::time::{Duration, SystemTime};

    #[test]
    fn fullest_server_is_nearest_to_its_limit() {
        let server = |(used, limit)| MemoryUse { used, limit };
        for (servers, expected) in [
            (vec![], None),
            (vec![(7, 0)], Some((7, 0))),
            (vec![(7, 0), (9, 0), (8, 0)], Some((9, 0))),
            (vec![(99, 0), (5, 10), (98, 0)], Some((5, 10))),
            (vec![(50, 100), (6, 10), (59, 100)], Some((6, 10))),
            (
                vec![(u64::MAX, u64::MAX), (1, 2)],
                Some((u64::MAX, u64::MAX)),
            ),
        ] {
            let found = fullest(servers.iter().copied().map(server));
            assert_eq!(found, expected.map(server), "{servers:?}");
        }
    }

    #[test]
    fn name_version_and_clock_are_those_of_info() {
        let redis = ServerInfo::parse(
            "# Server\r\nredis_version:7.2.4\r\nserver_time_usec:1700000000000001\r\n",
        );
        assert_eq!(redis.name_and_version().as_deref(), Some("Redis 7.2.4"));
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001);
        assert_eq!(redis.time(), Some(time));
        let valkey = ServerInfo::parse("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\n");
        assert_eq!(valkey.name_and_version().as_deref(), Some("Valkey 8.0.1"));
        let silent = ServerInfo::default();
        assert_eq!((silent.name_and_version(), silent.time()), (None, None));
    }
}
