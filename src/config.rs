//! The configuration: its sources, its raw form and its validated form.
//!
//! For `startup` and `app`. The sources are merged into a raw form that mirrors the TOML file. The
//! raw form is validated into [`Config`]; no other module has to validate a value again. This
//! module reads neither the environment nor the arguments: its caller passes them in.

pub mod address_range;
pub mod admin;
pub mod auth;
pub mod de;
mod digest;
pub mod homeserver;
mod homeserver_list;
pub mod http;
pub mod limits;
pub mod listen;
pub mod msc4108;
pub mod optional_keys;
pub mod schema;
pub mod secret;
pub mod session;
pub mod sources;
pub mod store;
pub mod telemetry;
mod toml_file;
pub mod verifier;
pub mod web_url;

use crate::config::de::{HumanDuration, scalar};
pub use crate::config::homeserver::Mode;
pub use crate::config::sources::{ConfigError, ConfigProblem, Sources};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The homeservers that this deployment serves; at least one.
    pub homeservers: Vec<homeserver::HomeserverConfig>,
    /// Whether creations are rejected.
    pub maintenance: bool,
    /// Whether MSC4388 is served under its stable prefix, too.
    pub stable_api: bool,
    /// The ETag dialect of 2024.
    pub msc4108: msc4108::Msc4108Config,
    /// The client listener.
    pub http: http::HttpConfig,
    /// Addresses of the admin listener.
    pub admin_listen: listen::ListenAddresses,
    /// The token of the admin API, which is off if this is `None`.
    pub admin_token: Option<secret::Secret>,
    /// Lifetime and bounds of sessions.
    pub session: session::SessionConfig,
    /// The session store.
    pub store: store::StoreConfig,
    /// Rates, live-session limits and deny lists.
    pub limits: limits::LimitsConfig,
    /// The two phases of a shutdown.
    pub shutdown: ShutdownConfig,
    /// Logs and traces.
    pub telemetry: telemetry::TelemetryConfig,
}

/// The durations of the two phases of a shutdown, which SIGTERM starts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownConfig {
    /// First phase: the server is unready and still accepts connections.
    #[serde(deserialize_with = "scalar")]
    pub grace: HumanDuration,
    /// Second phase: requests in flight may finish.
    #[serde(deserialize_with = "scalar")]
    pub drain: HumanDuration,
}

/// The configuration as it is written, with all defaults filled in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    #[serde(deserialize_with = "scalar")]
    mode: Mode,
    #[serde(deserialize_with = "scalar")]
    maintenance: bool,
    #[serde(default)]
    auth: auth::RawAuth,
    http: http::RawHttp,
    admin: admin::RawAdmin,
    api: RawApi,
    msc4108: msc4108::RawMsc4108,
    session: session::RawSession,
    store: store::RawStore,
    limits: limits::RawLimits,
    shutdown: ShutdownConfig,
    telemetry: telemetry::RawTelemetry,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApi {
    #[serde(deserialize_with = "scalar")]
    stable: bool,
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
    pub fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<Config> {
        self.raw.validate(problems)
    }

    /// Makes an error of `problems`: one line each, with the key, the reason and the source.
    #[must_use]
    pub fn error(&self, problems: Vec<ConfigProblem>) -> ConfigError {
        self.merged.locate(problems)
    }

    /// The configuration as it is written, for `config print` and for the comparison at a reload.
    #[must_use]
    pub fn into_raw(self) -> RawConfig {
        self.raw
    }
}

impl Config {
    /// Returns a warning for each setting that is valid but probably unintended.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut modes = self.homeservers.iter().map(|homeserver| homeserver.mode);
        if modes.all(|mode| mode == Mode::Off) && !self.msc4108.enabled {
            warnings.push(
                "mode is off: every rendezvous request gets a 404. To try the server, start it with: \
                 --mode open --set msc4108.enabled=true"
                    .to_owned(),
            );
        } else if !self.msc4108.enabled {
            warnings.push(
                "msc4108.enabled is false: released clients speak only the ETag dialect of MSC4108, so each of \
                 their requests gets a 404; set msc4108.enabled = true to serve them"
                    .to_owned(),
            );
        }
        for homeserver in &self.homeservers {
            homeserver.warnings(self.msc4108.enabled, &mut warnings);
        }
        self.http.warnings(&mut warnings);
        self.limits.warnings(&mut warnings);
        self.session.warnings(&mut warnings);
        self.store.warnings(&mut warnings);
        if let Some(wait) = self.store.wait() {
            wait.warnings(self.shutdown, &mut warnings);
        }
        warnings
    }
}

impl RawConfig {
    /// Returns `None` only if it appends at least one problem.
    fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<Config> {
        let base_url = self.http.public_base_url();
        let homeservers = self.auth.validate(self.mode, base_url, problems);
        let telemetry = self.telemetry.validate(problems);
        let store = self.store.validate(problems);
        let limits = self.limits.validate(problems);
        if let Some((admin, http)) = self.admin.listen().overlap(self.http.listen()) {
            let reason = format!("must differ from http.listen: {admin} and {http} overlap");
            problems.push(ConfigProblem::new("admin.listen", reason));
        }
        let http = self.http.validate(problems);
        if let Some(wait) = store.as_ref().and_then(store::StoreConfig::wait) {
            wait.check_timeouts(&http.timeouts, problems);
        }
        Some(Config {
            homeservers,
            maintenance: self.maintenance,
            stable_api: self.api.stable,
            msc4108: self.msc4108.validate(problems),
            http,
            admin_listen: self.admin.listen().clone(),
            admin_token: self.admin.token(problems),
            session: self.session.validate(problems),
            shutdown: self.shutdown,
            limits: limits?,
            store: store?,
            telemetry: telemetry?,
        })
    }
}

impl RawConfig {
    /// Returns the keys that differ in `later` and that need a restart to take effect.
    #[must_use]
    pub fn keys_requiring_restart(&self, later: &Self) -> Vec<String> {
        const RELOADABLE: [&str; 4] = [
            "limits",
            "maintenance",
            "telemetry.log_level",
            admin::TOKEN_FILE,
        ];
        let (current, new) = (self.values(), later.values());
        let keys: BTreeSet<&String> = current.keys().chain(new.keys()).collect();
        let needs_restart = |key: &&String| {
            let is_in = |section: &str| {
                let rest = key.strip_prefix(section);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            // Connections are counted per client from the start of the process or not at all.
            let is_reloadable =
                RELOADABLE.iter().any(|section| is_in(section)) && *key != "limits.enabled";
            current.get(*key) != new.get(*key) && !is_reloadable
        };
        let mut keys: Vec<String> = keys.into_iter().filter(needs_restart).cloned().collect();
        let url_key = store::keys::URL;
        // The values above are masked: two passwords look the same.
        if !self.store.has_same_url(&later.store) && !keys.iter().any(|key| key == url_key) {
            keys.push(url_key.to_owned());
        }
        keys
    }

    /// Every value by its full key, with secrets masked.
    fn values(&self) -> BTreeMap<String, toml::Value> {
        let mut values = BTreeMap::new();
        // `RawConfig` and each of its parts serialize to TOML.
        if let Ok(value) = toml::Value::try_from(self) {
            flatten(String::new(), value, &mut values);
        }
        values
    }
}

/// Inserts each value of `value` into `values`, under its full key such as `session.ttl`.
fn flatten(key: String, value: toml::Value, values: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = match key.as_str() {
                    "" => name,
                    section => format!("{section}.{name}"),
                };
                flatten(key, value, values);
            }
        }
        toml::Value::Array(entries) if entries.iter().any(toml::Value::is_table) => {
            for (number, entry) in entries.into_iter().enumerate() {
                flatten(format!("{key}.{number}"), entry, values);
            }
        }
        value => {
            values.insert(key, value);
        }
    }
}

/// Displays the configuration as TOML, with secrets masked.
impl fmt::Display for RawConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}
