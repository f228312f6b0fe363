//! A digest of the configuration, by which replicas of one deployment are compared.

use crate::config::RawConfig;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Keys that may differ between replicas of one deployment.
const OWN_TO_A_REPLICA: [&str; 3] = ["admin.listen", "http.listen", "telemetry.replica"];

/// Length of a digest in bytes. Enough for a few replicas; a forged one would gain nothing.
const LEN: usize = 6;

impl RawConfig {
    /// Returns a digest of the values: 12 hexadecimal digits. Secrets are masked, and left out so.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest_after_reload(self, &[])
    }

    /// Returns the digest of a process that started with these values and has read `later`. Its
    /// values apply except those of the keys in `need_restart`.
    #[must_use]
    pub fn digest_after_reload(&self, later: &Self, need_restart: &[String]) -> String {
        let (start, mut values) = (self.values(), later.values());
        for key in need_restart {
            match start.get(key) {
                Some(value) => values.insert(key.clone(), value.clone()),
                None => values.remove(key),
            };
        }
        values.retain(|key, _| !OWN_TO_A_REPLICA.contains(&key.as_str()));
        let mut hash = Sha256::new();
        for (key, value) in values {
            hash.update(format!("{key} = {value}\n"));
        }
        format!("{:x}", Bytes::copy_from_slice(&hash.finalize()[..LEN]))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{RawConfig, Sources, UnvalidatedConfig};

    fn raw(flags: &[(&str, &str)]) -> RawConfig {
        let flags = flags.iter();
        let flag = |(key, value): &(&str, &str)| {
            let [key, value] = [key, value].map(|text| (*text).to_owned());
            (format!("--set {key}"), key, value)
        };
        let sources = Sources {
            flags: flags.map(flag).collect(),
            ..Sources::default()
        };
        let read = UnvalidatedConfig::read(&sources);
        read.expect("a configuration").into_raw()
    }

    #[test]
    fn digest_differs_by_any_value_but_a_replicas_own() {
        let default = raw(&[]).digest();
        assert_eq!(default.len(), 12);
        for own in [
            ("http.listen", "127.0.0.1:1"),
            ("admin.listen", "127.0.0.1:2"),
            ("telemetry.replica", "one"),
        ] {
            assert_eq!(raw(&[own]).digest(), default, "{own:?}");
        }
        for shared in [("mode", "open"), ("session.ttl", "120s")] {
            assert_ne!(raw(&[shared]).digest(), default, "{shared:?}");
        }
    }

    #[test]
    fn reload_changes_the_digest_by_what_was_applied() {
        let start = raw(&[]);
        let later = raw(&[("mode", "open"), ("session.ttl", "120s")]);
        let mode = "mode".to_owned();
        let applied = start.digest_after_reload(&later, std::slice::from_ref(&mode));
        assert_eq!(applied, raw(&[("session.ttl", "120s")]).digest());
        let none = start.digest_after_reload(&later, &[mode, "session.ttl".to_owned()]);
        assert_eq!(none, start.digest());
    }
}
