//! Configuration: where it comes from, and what of it is valid.
//!
//! For `main` and `app`. A raw form that mirrors the TOML file is merged from all sources, then
//! validated into [`Config`], which the rest of the program may believe. It reads no environment and
//! no arguments itself: they are handed in.

pub mod auth;
pub mod de;
pub mod homeserver;
pub mod http;
pub mod limits;
pub mod network;
pub mod secret;
pub mod session;
pub mod sources;
pub mod store;
pub mod telemetry;
pub mod web_url;

use crate::config::de::{HumanDuration, leaf};
pub use crate::config::homeserver::Mode;
pub use crate::config::sources::{ConfigError, Problem, Sources};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The whole configuration, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose clients come here; at least one.
    pub homeservers: Vec<homeserver::HomeserverConfig>,
    /// Whether no session is created for now.
    pub maintenance: bool,
    /// Whether MSC4388 is also served under its stable prefix.
    pub stable_api: bool,
    /// Whether the ETag dialect of 2024 is served.
    pub msc4108: bool,
    /// The listener for clients.
    pub http: http::HttpConfig,
    /// Address of the listener for operators.
    pub admin_listen: SocketAddr,
    /// Bounds of sessions.
    pub session: session::SessionConfig,
    /// Where sessions live.
    pub store: store::StoreConfig,
    /// What one may ask for, and who may not.
    pub limits: limits::LimitsConfig,
    /// The clocks of a shutdown.
    pub shutdown: ShutdownConfig,
    /// Logs.
    pub telemetry: telemetry::TelemetryConfig,
}

/// The two clocks that SIGTERM starts, one after the other.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownConfig {
    /// Time in which connections are still accepted.
    #[serde(deserialize_with = "leaf")]
    pub grace: HumanDuration,
    /// Time for requests under way.
    #[serde(deserialize_with = "leaf")]
    pub drain: HumanDuration,
}

/// The configuration as it is written, every key present.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    #[serde(deserialize_with = "leaf")]
    mode: Mode,
    #[serde(deserialize_with = "leaf")]
    maintenance: bool,
    #[serde(default)]
    auth: auth::RawAuth,
    http: http::RawHttp,
    admin: RawAdmin,
    api: RawApi,
    msc4108: RawMsc4108,
    session: session::RawSession,
    store: store::RawStore,
    limits: limits::RawLimits,
    shutdown: ShutdownConfig,
    telemetry: telemetry::RawTelemetry,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdmin {
    #[serde(deserialize_with = "leaf")]
    listen: SocketAddr,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApi {
    #[serde(deserialize_with = "leaf")]
    stable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMsc4108 {
    #[serde(deserialize_with = "leaf")]
    enabled: bool,
}

/// A configuration that was read and parsed, but not validated.
///
/// Keeps the sources, so that an error of any later step can name the source of its key.
#[derive(Debug)]
pub struct UnvalidatedConfig {
    raw: RawConfig,
    merged: sources::Merged,
}

impl UnvalidatedConfig {
    /// Reads the sources, merges and parses them.
    ///
    /// # Errors
    /// [`ConfigError`] if a source cannot be read, a key is unknown or a value has the wrong type.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let merged = sources.merge()?;
        let raw = merged.extract()?;
        Ok(Self { raw, merged })
    }

    /// Validates the values and appends each problem to `problems`.
    ///
    /// Returns `None` only if there is a problem. It may return a configuration beside problems: a
    /// later step can then report its own in the same run.
    pub fn validate(&self, problems: &mut Vec<Problem>) -> Option<Config> {
        self.raw.validate(problems)
    }

    /// Makes an error of `problems`: one line each, with the key, the reason and the source.
    #[must_use]
    pub fn error(&self, problems: Vec<Problem>) -> ConfigError {
        self.merged.locate(problems)
    }

    /// The configuration as it is written, for `config print` and for the comparison at a reload.
    #[must_use]
    pub fn into_raw(self) -> RawConfig {
        self.raw
    }
}

impl Config {
    /// What starts, but deserves a word in the log.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let off = |homeserver: &homeserver::HomeserverConfig| homeserver.mode == Mode::Off;
        if self.homeservers.iter().all(off) && !self.msc4108 {
            warnings.push("mode is off: every rendezvous request is answered with 404".to_owned());
        }
        for homeserver in self.homeservers.iter().filter(|one| off(one)) {
            let at = &homeserver.at;
            if !homeserver.hosts.is_empty() && !self.msc4108 {
                let host = homeserver.hosts.join(", ");
                warnings.push(format!(
                    "{at}: mode is off: requests to {host} are answered with 404"
                ));
            }
            if homeserver.auth.is_some() {
                warnings.push(format!(
                    "{at}: mode is off, so nobody is asked about access tokens"
                ));
            }
        }
        let without_url = |one: &&homeserver::HomeserverConfig| one.public_base_url.is_none();
        for homeserver in self.homeservers.iter().filter(without_url) {
            if self.msc4108 {
                let at = match homeserver.hosts.as_slice() {
                    [] => "http",
                    [..] => &homeserver.at,
                };
                warnings.push(format!(
                    "{at}.public_base_url is not set: the URL of a session is made of the Host that \
                     its creator's request names"
                ));
            }
        }
        if self
            .http
            .trusted_proxies
            .iter()
            .any(|range| range.prefix_len() == 0)
        {
            warnings.push(format!(
                "http.trusted_proxies names everybody: any client may say by {} that it is another",
                self.http.forwarded_header.as_str()
            ));
        }
        if let Some(counted) = self.limits.counted {
            let (live, requests) = (counted.live.client, counted.requests.client.period);
            // Two devices a session, one poll a second each; in thousandths, so that 1.0 is exact.
            let polls = requests.as_micros().saturating_mul(u128::from(live) * 2) / 1000;
            if polls > 1000 {
                warnings.push(format!(
                    "limits.requests.client is less than the polls of limits.live.client = {live} sessions, two a \
                     second each: where so many sign in behind one address, sign-ins end by a 429"
                ));
            }
        }
        let ttl = self.session.ttl;
        if !(Duration::from_mins(2)..=Duration::from_mins(5)).contains(&ttl) {
            warnings.push(format!(
                "session.ttl is {}, outside the 120s to 300s that MSC4388 asks for",
                HumanDuration(ttl)
            ));
        }
        let timeouts = self.http.timeouts;
        if timeouts.request < timeouts.body {
            warnings.push(format!(
                "http.request_timeout is {}, shorter than http.body_timeout: a slow body ends by it, \
                 as a 503",
                HumanDuration(timeouts.request)
            ));
        }
        if matches!(self.store, store::StoreConfig::Memory) {
            warnings.push(
                "store.backend is memory: for one replica only, and a restart ends all sessions"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl RawConfig {
    /// The configuration, or `None` and at least one problem.
    fn validate(&self, problems: &mut Vec<Problem>) -> Option<Config> {
        let base_url = self.http.public_base_url.as_ref();
        let homeservers = homeserver::validate(self.mode, base_url, &self.auth, problems);
        let telemetry = self.telemetry.validate(problems);
        let store = self.store.validate(problems);
        let limits = self.limits.validate(problems);
        // Port 0 is whichever is free.
        if self.http.listens_on(self.admin.listen) && self.admin.listen.port() != 0 {
            problems.push(Problem::new("admin.listen", "is http.listen as well"));
        }
        Some(Config {
            homeservers,
            maintenance: self.maintenance,
            stable_api: self.api.stable,
            msc4108: self.msc4108.enabled,
            http: self.http.validate(problems),
            admin_listen: self.admin.listen,
            session: self.session.validate(problems),
            shutdown: self.shutdown,
            limits: limits?,
            store: store?,
            telemetry: telemetry?,
        })
    }
}

impl RawConfig {
    /// The keys that have another value in `later`, but for those that may change while it runs.
    #[must_use]
    pub fn other_than(&self, later: &Self) -> Vec<String> {
        const MAY_CHANGE: [&str; 3] = ["limits", "maintenance", "telemetry.log_level"];
        let [ours, theirs] = [self, later].map(|raw| {
            let mut keys = BTreeMap::new();
            // What is printed is TOML, and so is each part of it.
            if let Ok(value) = toml::Value::try_from(raw) {
                flatten(String::new(), value, &mut keys);
            }
            keys
        });
        let all: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let changed = all.into_iter().filter(|key| {
            let may = |section: &str| {
                key.strip_prefix(section)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            // The connections of a client are counted from the start on, or not.
            let may_change =
                MAY_CHANGE.iter().any(|section| may(section)) && *key != "limits.enabled";
            ours.get(*key) != theirs.get(*key) && !may_change
        });
        changed.cloned().collect()
    }
}

/// Each key with the sections that it is in, as `session.ttl`.
fn flatten(at: String, value: toml::Value, keys: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let at = if at.is_empty() {
                    key
                } else {
                    format!("{at}.{key}")
                };
                flatten(at, value, keys);
            }
        }
        value => {
            keys.insert(at, value);
        }
    }
}

/// TOML, with secrets masked.
impl fmt::Display for RawConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}
