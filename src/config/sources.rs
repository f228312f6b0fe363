//! Merges the sources of the configuration, and names the source of each error.

use crate::config::optional_keys::is_optional;
use crate::config::toml_file::{DEFAULTS, TomlFile};
use crate::file;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Prefix of the environment variables that set a key.
pub const ENV_PREFIX: &str = "RENDEZVOUS_";

/// The environment variable with the path of the configuration file.
pub const ENV_FILE: &str = "RENDEZVOUS_CONFIG";

/// The variables that the image sets (Dockerfile).
const ENV_OF_IMAGE: [&str; 2] = ["RENDEZVOUS_HTTP__LISTEN", "RENDEZVOUS_ADMIN__LISTEN"];

/// Renamed keys, old name and new. The old name is an error that names the new one.
const RENAMED_KEYS: [(&str, &str); 1] = [("store.redis.accept", "store.redis.ignore_checks")];

/// The sources of the configuration. A later field overrides an earlier one.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Path of a TOML file. If `None`, [`ENV_FILE`] may name one.
    pub file: Option<PathBuf>,
    /// The environment. Variables without [`ENV_PREFIX`] are ignored.
    pub env: Vec<(OsString, OsString)>,
    /// The command line: the flag as it was written, the key and the value.
    pub flags: Vec<(String, String, String)>,
}

/// The merged sources.
#[derive(Debug)]
pub struct Merged {
    figment: Figment,
    /// Names of the sources that Kubernetes may have set for a Service.
    service_links: Vec<String>,
}

/// One invalid setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    key: String,
    reason: String,
}

impl ConfigProblem {
    /// `key` is the full key, such as `session.ttl`. `reason` does not repeat it.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.key, self.reason)
    }
}

/// All problems of a configuration, one per line: key, reason and source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("\n"))
    }
}

impl Sources {
    /// Whether there is any source beside the defaults: a file, a variable, or a flag. The addresses
    /// that the image listens on are no configuration.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let has_variable = |(name, value): &(OsString, OsString)| {
            name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes())
                && !value.is_empty()
                && !ENV_OF_IMAGE.iter().any(|set| name == set)
        };
        self.file.is_some() || !self.flags.is_empty() || self.env.iter().any(has_variable)
    }

    /// Merges the sources.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read or contains no key, or if a variable with [`ENV_PREFIX`] is not UTF-8.
    pub(super) fn merge(&self) -> Result<Merged, ConfigError> {
        let defaults = TomlFile {
            path: "built-in defaults".to_owned(),
            text: DEFAULTS.to_owned(),
        };
        let mut figment = Figment::from(defaults);
        let env_file = self
            .env
            .iter()
            .find(|(name, path)| name == ENV_FILE && !path.is_empty())
            .map(|(_, path)| path.into());
        if let Some(path) = self.file.clone().or(env_file) {
            let problem = |reason: &str| ConfigError(vec![format!("{}: {reason}", path.display())]);
            let text = file::read_text(&path).map_err(|error| problem(&error.to_string()))?;
            // Editors truncate a file before they write it. At SIGHUP an empty file would remove the
            // deny lists, and at a restart in that moment the mode.
            if text
                .parse::<toml::Table>()
                .is_ok_and(|table| !has_key(&table))
            {
                return Err(problem("contains no key"));
            }
            figment = figment.merge(TomlFile {
                path: path.display().to_string(),
                text,
            });
        }
        let (mut service_links, mut not_utf8) = (Vec::new(), Vec::new());
        let has_prefix =
            |name: &OsString| name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes());
        for (name, value) in &self.env {
            if !has_prefix(name) || name == ENV_FILE {
                continue;
            }
            // The error does not contain the value, which may be a secret.
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                not_utf8.push(format!(
                    "environment variable {}: is not UTF-8",
                    name.display()
                ));
                continue;
            };
            let rest = name.strip_prefix(ENV_PREFIX).unwrap_or(name);
            let source = format!("environment variable {name}");
            if is_service_link(rest, value) {
                service_links.push(source.clone());
            }
            let key = rest.to_ascii_lowercase().replace("__", ".");
            if is_unset(&key, value) {
                continue;
            }
            figment = figment.merge(KeyValue {
                source,
                key,
                value: value.to_owned(),
            });
        }
        if !not_utf8.is_empty() {
            return Err(ConfigError(not_utf8));
        }
        let set = |(_, key, value): &&(String, String, String)| !is_unset(key, value);
        for (flag, key, value) in self.flags.iter().filter(set) {
            let (key, value) = (key.clone(), value.clone());
            figment = figment.merge(KeyValue {
                source: format!("flag {flag}"),
                key,
                value,
            });
        }
        Ok(Merged {
            figment,
            service_links,
        })
    }
}

impl Merged {
    /// Deserializes the merged sources.
    ///
    /// # Errors
    /// [`ConfigError`] for unknown keys, wrong types and malformed TOML; each with its key and
    /// source.
    pub(super) fn extract<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.figment.extract().map_err(|error| {
            ConfigError(
                error
                    .into_iter()
                    .map(|error| self.describe(&error))
                    .collect(),
            )
        })
    }

    fn describe(&self, error: &figment::Error) -> String {
        let key = error.path.join(".");
        let source = self.source_of(&key).or(error.metadata.as_ref());
        let source = source.map_or("", |source| &source.name);
        let hint = if self.service_links.iter().any(|link| link == source) {
            "; if Kubernetes set it for a Service of this name, set enableServiceLinks: false in the pod"
        } else {
            ""
        };
        let source = match source {
            "" => String::new(),
            source => format!(" (from {source})"),
        };
        let renamed = RENAMED_KEYS.iter().find(|(old, _)| *old == key);
        match (&error.kind, renamed) {
            (figment::error::Kind::UnknownField(..), Some((_, new))) => {
                format!("{key}: unknown key, it was renamed to {new}{source}")
            }
            (figment::error::Kind::UnknownField(_, expected), None) => {
                format!(
                    "{key}: unknown key, expected one of {}{source}{hint}",
                    expected.join(", ")
                )
            }
            (kind, _) if key.is_empty() => format!("{kind}{source}"),
            (kind, _) => format!("{key}: {kind}{source}"),
        }
    }

    /// Returns the source of a key. The source of an entry of a list in a file is that of the list.
    fn source_of(&self, key: &str) -> Option<&Metadata> {
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let outside: Vec<_> = key.split('.').take_while(|part| !is_number(part)).collect();
        self.figment
            .find_metadata(key)
            .or_else(|| self.figment.find_metadata(&outside.join(".")))
    }

    /// Makes an error of `problems` and adds the source of each key.
    pub(super) fn locate(&self, problems: Vec<ConfigProblem>) -> ConfigError {
        let lines =
            problems
                .into_iter()
                .map(|ConfigProblem { key, reason }| match self.source_of(&key) {
                    Some(source) => format!("{key}: {reason} (from {})", source.name),
                    None => format!("{key}: {reason}"),
                });
        ConfigError(lines.collect())
    }
}

/// Whether a value counts as not given. Compose passes `${X:-}` on as an empty variable. Such a value
/// would be an error for each optional key, and keys with a default keep its meaning.
fn is_unset(key: &str, value: &str) -> bool {
    value.is_empty() && is_optional(key)
}

/// Whether Kubernetes may have set this variable: it sets such variables in every pod for a Service
/// named `rendezvous` or `rendezvous-…`. `name` is without [`ENV_PREFIX`]. No key has such a name.
fn is_service_link(name: &str, value: &str) -> bool {
    let by_name = name == "PORT"
        || name.starts_with("PORT_")
        || name.contains("_PORT")
        || name.ends_with("SERVICE_HOST")
        || name.starts_with("SERVICE_PORT");
    by_name
        || ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| value.starts_with(scheme))
}

/// One key from the environment or the command line. Its value is always text, which [`super::de`]
/// parses.
struct KeyValue {
    source: String,
    key: String,
    value: String,
}

impl Provider for KeyValue {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.key, Value::from(self.value.clone()));
        Ok(nested
            .into_dict()
            .map(|dict| Map::from([(Profile::Default, dict)]))
            .unwrap_or_default())
    }
}

/// Whether a table has a value that is no section, or a section with one.
fn has_key(table: &toml::Table) -> bool {
    table.values().any(|value| match value {
        toml::Value::Table(section) => has_key(section),
        _ => true,
    })
}
