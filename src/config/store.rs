//! The section `store`: where sessions live.

use crate::config::Problem;
use crate::config::de::{HumanDuration, leaf, list, optional};
use crate::config::secret::{self, Secret, SecretUrl};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The key of the file that holds Redis' password.
pub const PASSWORD_FILE: &str = "store.redis.password_file";

/// The key of the file that holds the Sentinels' own.
pub const SENTINEL_PASSWORD_FILE: &str = "store.redis.sentinel_password_file";

/// Where sessions live.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In this process.
    Memory,
    /// In Redis.
    Redis(RedisConfig),
}

/// How Redis is reached.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// Its URL, password included. Whether it is one is the store's to say.
    pub url: SecretUrl,
    /// The key that the URL came by, for what the store says of it.
    pub url_key: &'static str,
    /// Its password, where the URL has none.
    pub password: Option<Secret>,
    /// The Sentinels' own, where the URL has none.
    pub sentinel_password: Option<Secret>,
    /// What every key begins with.
    pub prefix: String,
    /// The longest that a request waits for it.
    pub command_timeout: Duration,
    /// Certificates to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
    /// Start checks whose failure is accepted.
    pub ignore_checks: Vec<Check>,
}

/// One thing that is looked at before a Redis is called fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Redis 7.0, or a Valkey.
    Version,
    /// `maxmemory-policy noeviction`: every session has a TTL, so any other policy evicts live ones.
    Eviction,
    /// Room for `session.max_live` sessions under `maxmemory`.
    Memory,
    /// Scripts and all their commands are allowed.
    Acl,
    /// A round trip takes less than a quarter of `store.redis.command_timeout`.
    Latency,
}

impl Check {
    const ALL: [Self; 5] = [
        Self::Version,
        Self::Eviction,
        Self::Memory,
        Self::Acl,
        Self::Latency,
    ];

    /// As it is written in `store.redis.ignore_checks`, on `/readyz` and in the log: the one place.
    const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Eviction => "eviction",
            Self::Memory => "memory",
            Self::Acl => "acl",
            Self::Latency => "latency",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_it = |check: &Self| check.name() == text;
        Self::ALL.into_iter().find(is_it).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStore {
    #[serde(deserialize_with = "leaf")]
    backend: StoreBackend,
    redis: RawRedis,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum StoreBackend {
    Memory,
    Redis,
}

impl FromStr for StoreBackend {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "memory" => Ok(Self::Memory),
            "redis" => Ok(Self::Redis),
            _ => Err("expected \"memory\" or \"redis\""),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRedis {
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    url: Option<SecretUrl>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    url_file: Option<PathBuf>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    password_file: Option<PathBuf>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    sentinel_password_file: Option<PathBuf>,
    #[serde(deserialize_with = "leaf")]
    prefix: String,
    #[serde(deserialize_with = "leaf")]
    command_timeout: HumanDuration,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "list")]
    ignore_checks: Vec<Check>,
}

impl RawStore {
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) -> Option<StoreConfig> {
        match self.backend {
            StoreBackend::Memory => Some(StoreConfig::Memory),
            StoreBackend::Redis => self.redis.validate(problems).map(StoreConfig::Redis),
        }
    }
}

impl RawRedis {
    fn validate(&self, problems: &mut Vec<Problem>) -> Option<RedisConfig> {
        if self.prefix.contains(['{', '}']) {
            problems.push(Problem::new(
                "store.redis.prefix",
                "must have no braces: Redis Cluster would take them for the hash tag",
            ));
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(10)).contains(&self.command_timeout.0)
        {
            problems.push(Problem::new(
                "store.redis.command_timeout",
                "must be between 10ms and 10s",
            ));
        }
        let mut in_file = |key, file: &Option<PathBuf>| {
            let read = secret::read(key, file.as_deref()?);
            read.map_err(|problem| problems.push(problem)).ok()
        };
        let password = in_file(PASSWORD_FILE, &self.password_file);
        let sentinel_password = in_file(SENTINEL_PASSWORD_FILE, &self.sentinel_password_file);
        let (url_key, url) = self.url(problems)?;
        Some(RedisConfig {
            url,
            url_key,
            password,
            sentinel_password,
            prefix: self.prefix.clone(),
            command_timeout: self.command_timeout.0,
            ca_file: self.ca_file.clone(),
            ignore_checks: self.ignore_checks.clone(),
        })
    }

    /// The URL, and the key that it came by.
    fn url(&self, problems: &mut Vec<Problem>) -> Option<(&'static str, SecretUrl)> {
        const FILE: &str = "store.redis.url_file";
        let refused = match (&self.url, &self.url_file) {
            (Some(url), None) => return Some(("store.redis.url", url.clone())),
            (None, Some(path)) => match secret::read(FILE, path) {
                Ok(url) => return Some((FILE, url)),
                Err(problem) => problem,
            },
            (Some(_), Some(_)) => Problem::new(FILE, "is set beside store.redis.url; keep one"),
            (None, None) => Problem::new(
                "store.redis.url",
                "is needed with store.backend = \"redis\" (or url_file)",
            ),
        };
        problems.push(refused);
        None
    }
}
