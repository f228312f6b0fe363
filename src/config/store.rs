//! The section `store`: the backend that holds the sessions, and the connection to Redis.

mod check;
mod wait;

pub use check::Check;
pub use wait::StoreWaitConfig;

use crate::config::ConfigProblem;
use crate::config::de::{HumanDuration, Scalar, list, scalar};
use crate::config::secret::SecretUrl;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The keys that name the settings of a connection, for the errors of the store.
pub mod keys {
    /// The URL.
    pub const URL: &str = "store.redis.url";
    /// The file with the URL.
    pub const URL_FILE: &str = "store.redis.url_file";
    /// The file with the Redis password.
    pub const PASSWORD_FILE: &str = "store.redis.password_file";
    /// The file with the Sentinels' own password.
    pub const SENTINEL_PASSWORD_FILE: &str = "store.redis.sentinel_password_file";
    /// The file of certificate authorities.
    pub const CA_FILE: &str = "store.redis.ca_file";
    /// The file of the client certificate.
    pub const CERT_FILE: &str = "store.redis.cert_file";
    /// The file of the client certificate's key.
    pub const KEY_FILE: &str = "store.redis.key_file";
}

/// More replicas than any Redis needs. A larger number is a mistake that would refuse every write.
pub(super) const MAX_REPLICAS: u32 = 5;

/// The validated section `store`.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// Sessions are in the memory of this process.
    Memory,
    /// Sessions are in Redis.
    Redis(Box<RedisConfig>),
}

/// The validated section `store.redis`.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// URL of Redis, with its password. The store parses it.
    pub url: RedisUrl,
    /// File of the password, if it is not in the URL.
    pub password_file: Option<PathBuf>,
    /// File of the Sentinels' own password, if it is not in the URL.
    pub sentinel_password_file: Option<PathBuf>,
    /// Prefix of every key.
    pub prefix: String,
    /// Upper bound of one operation on Redis, its short retries included.
    pub command_timeout: Duration,
    /// Number of replicas that must have a change before it is acknowledged. `None` if none must.
    pub wait_for_replicas: Option<NonZeroU32>,
    /// How long reads and writes wait for Redis. `None` if they do not.
    pub wait: Option<StoreWaitConfig>,
    /// PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the certificate that this process presents to Redis.
    pub cert_file: Option<PathBuf>,
    /// PEM file of the key of `cert_file`. Set if `cert_file` is set.
    pub key_file: Option<PathBuf>,
    /// Start-up checks that may fail.
    pub ignore_checks: Vec<Check>,
}

/// Where the URL of Redis is.
#[derive(Debug, Clone)]
pub enum RedisUrl {
    /// In the configuration.
    Inline(SecretUrl),
    /// In this file.
    File(PathBuf),
}

impl RedisUrl {
    /// The key that set it.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Inline(_) => keys::URL,
            Self::File(_) => keys::URL_FILE,
        }
    }
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStore {
    #[serde(deserialize_with = "scalar")]
    backend: RawBackend,
    redis: RawRedis,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum RawBackend {
    Memory,
    Redis,
}

impl FromStr for RawBackend {
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
    url: Option<Scalar<SecretUrl>>,
    url_file: Option<Scalar<PathBuf>>,
    password_file: Option<Scalar<PathBuf>>,
    sentinel_password_file: Option<Scalar<PathBuf>>,
    #[serde(deserialize_with = "scalar")]
    prefix: String,
    #[serde(deserialize_with = "scalar")]
    command_timeout: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    retry_timeout: HumanDuration,
    max_waiting: Option<Scalar<usize>>,
    #[serde(deserialize_with = "scalar")]
    wait_for_replicas: u32,
    ca_file: Option<Scalar<PathBuf>>,
    cert_file: Option<Scalar<PathBuf>>,
    key_file: Option<Scalar<PathBuf>>,
    #[serde(deserialize_with = "list")]
    ignore_checks: Vec<Check>,
}

impl RawStore {
    /// Whether `store.redis.url` is the same in `other`, with its passwords.
    pub(super) fn has_same_url(&self, other: &Self) -> bool {
        let [own, others] =
            [self, other].map(|store| store.redis.url.as_ref().map(|Scalar(url)| url));
        own == others
    }

    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<StoreConfig> {
        match self.backend {
            RawBackend::Memory => Some(StoreConfig::Memory),
            RawBackend::Redis => {
                let redis = self.redis.validate(problems)?;
                Some(StoreConfig::Redis(Box::new(redis)))
            }
        }
    }
}

impl StoreConfig {
    /// How long, and how many, reads and writes wait for the store. `None` if they do not.
    #[must_use]
    pub fn wait(&self) -> Option<StoreWaitConfig> {
        match self {
            Self::Memory => None,
            Self::Redis(redis) => redis.wait,
        }
    }

    /// Appends a warning if the backend is not meant for production, or cannot work.
    pub(super) fn warnings(&self, warnings: &mut Vec<String>) {
        match self {
            Self::Memory => {
                let warning = "store.backend is memory: for one replica only, and a restart ends all sessions";
                warnings.push(warning.to_owned());
            }
            Self::Redis(redis) if redis.ignore_checks.contains(&Check::Version) => {
                let warning = "store.redis.ignore_checks contains \"version\": Redis before 7.0 lacks commands \
                               that the scripts need, and cannot work. Ignore this check only for a server that \
                               reports another version than it has";
                warnings.push(warning.to_owned());
            }
            Self::Redis(_) => {}
        }
    }
}

impl RawRedis {
    fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<RedisConfig> {
        if self.prefix.contains(['{', '}']) {
            problems.push(ConfigProblem::new(
                "store.redis.prefix",
                "must not contain braces: they would change the hash tag of Redis Cluster",
            ));
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(10)).contains(&self.command_timeout.0)
        {
            problems.push(ConfigProblem::new(
                "store.redis.command_timeout",
                "must be between 10ms and 10s",
            ));
        }
        let max_waiting = self.max_waiting.as_ref().map(|Scalar(number)| *number);
        let wait = StoreWaitConfig::validate(self.retry_timeout.0, max_waiting, problems);
        if self.wait_for_replicas > MAX_REPLICAS {
            problems.push(ConfigProblem::new(
                "store.redis.wait_for_replicas",
                "must be between 0 (off) and 5",
            ));
        }
        for (file, key, other) in [
            (&self.cert_file, keys::KEY_FILE, &self.key_file),
            (&self.key_file, keys::CERT_FILE, &self.cert_file),
        ] {
            if file.is_some() && other.is_none() {
                let reason = "is required: a client certificate needs a certificate and a key";
                problems.push(ConfigProblem::new(key, reason));
            }
        }
        let path = |file: &Option<Scalar<PathBuf>>| file.as_ref().map(|Scalar(path)| path.clone());
        Some(RedisConfig {
            url: self.url(problems)?,
            password_file: path(&self.password_file),
            sentinel_password_file: path(&self.sentinel_password_file),
            prefix: self.prefix.clone(),
            command_timeout: self.command_timeout.0,
            wait_for_replicas: NonZeroU32::new(self.wait_for_replicas),
            wait,
            ca_file: path(&self.ca_file),
            cert_file: path(&self.cert_file),
            key_file: path(&self.key_file),
            ignore_checks: self.ignore_checks.clone(),
        })
    }

    fn url(&self, problems: &mut Vec<ConfigProblem>) -> Option<RedisUrl> {
        let problem = match (&self.url, &self.url_file) {
            (Some(Scalar(url)), None) => return Some(RedisUrl::Inline(url.clone())),
            (None, Some(Scalar(path))) => return Some(RedisUrl::File(path.clone())),
            (Some(_), Some(_)) => {
                ConfigProblem::new(keys::URL_FILE, "is set beside store.redis.url; keep one")
            }
            (None, None) => ConfigProblem::new(
                keys::URL,
                "is required with store.backend = \"redis\" (or url_file)",
            ),
        };
        problems.push(problem);
        None
    }
}
