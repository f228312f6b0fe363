//! The sources of the configuration, one over the other, and errors that say which one is wrong.

use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Every default, commented: the documented sample is what runs.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// What variables of the environment begin with.
pub const ENV_PREFIX: &str = "RENDEZVOUS_";

/// The variable that names the configuration file.
pub const ENV_FILE: &str = "RENDEZVOUS_CONFIG";

/// Renamed keys, old name and new. The old name is an error that names the new one.
const RENAMED_KEYS: [(&str, &str); 1] = [("store.redis.accept", "store.redis.ignore_checks")];

/// Where configuration comes from, the later ones over the earlier.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Variables of the environment; those without our prefix are ignored.
    pub env: Vec<(OsString, OsString)>,
    /// Keys and values from the command line, each with the flag that gave it.
    pub flags: Vec<(String, String, String)>,
}

/// The merged sources.
#[derive(Debug)]
pub struct Merged {
    figment: Figment,
    /// Sources that Kubernetes may have set, by their names.
    service_links: Vec<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    key: String,
    reason: String,
}

impl ConfigProblem {
    /// `key` as in `session.ttl`; `reason` without the key.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

/// Everything that is wrong, a line each: key, reason, source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("\n"))
    }
}

impl Sources {
    /// Lays the sources over each other.
    ///
    /// # Errors
    /// A file that is missing or unreadable; a variable of ours that is not UTF-8.
    pub(super) fn merge(&self) -> Result<Merged, ConfigError> {
        let defaults = File {
            path: "built-in defaults".to_owned(),
            text: DEFAULTS.to_owned(),
        };
        let mut figment = Figment::from(defaults);
        let named = self
            .env
            .iter()
            .find(|(name, path)| name == ENV_FILE && !path.is_empty())
            .map(|(_, path)| path.into());
        if let Some(path) = self.file.clone().or(named) {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| ConfigError(vec![format!("{}: {error}", path.display())]))?;
            figment = figment.merge(File {
                path: path.display().to_string(),
                text,
            });
        }
        let (mut service_links, mut unreadable) = (Vec::new(), Vec::new());
        let ours = |name: &OsString| name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes());
        for (name, value) in &self.env {
            if !ours(name) || name == ENV_FILE {
                continue;
            }
            // Its value may be a secret, so it is not shown, not even in part.
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                unreadable.push(format!(
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
            figment = figment.merge(One {
                source,
                key: rest.to_ascii_lowercase().replace("__", "."),
                value: value.to_owned(),
            });
        }
        if !unreadable.is_empty() {
            return Err(ConfigError(unreadable));
        }
        for (flag, key, value) in &self.flags {
            let (key, value) = (key.clone(), value.clone());
            figment = figment.merge(One {
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
    /// Reads the whole.
    ///
    /// # Errors
    /// Unknown keys, wrong types, malformed TOML; each with key and source.
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
            "; where Kubernetes set it, for a Service of this name, set enableServiceLinks: false in the pod"
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

    /// Where the value of a key comes from. Of what is in a list, where the list does.
    fn source_of(&self, key: &str) -> Option<&Metadata> {
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let outside: Vec<_> = key.split('.').take_while(|part| !is_number(part)).collect();
        self.figment.find_metadata(&outside.join("."))
    }

    /// Adds to each problem where its value comes from.
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

/// Whether a variable is of the kind that Kubernetes sets in every pod for a Service called
/// `rendezvous` or `rendezvous-…`. `name` is without our prefix, and no key of ours is named so.
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

/// The configuration file, named in errors by its path.
struct File {
    path: String,
    text: String,
}

impl Provider for File {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.path.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        // Parsed here first, since figment's message quotes the line, and with it perhaps a password.
        let table = self.text.parse::<toml::Table>().map_err(|error| {
            let place = error
                .span()
                .map_or_else(String::new, |span| place(&self.text, span.start));
            let mut error = figment::Error::from(format!("{place}{}", error.message()));
            error.metadata = Some(self.metadata());
            error
        })?;
        Serialized::defaults(table).data()
    }
}

/// Where in a text an offset is, for people.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

/// One key from the environment or the command line, always as text (`lenient` reads it).
struct One {
    source: String,
    key: String,
    value: String,
}

impl Provider for One {
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
