//! The homeservers that one deployment serves: mostly one, by the keys `mode`, `auth.homeserver_url` and
//! `http.public_base_url`; or several, each an entry `[[auth.homeserver]]`.

use crate::config::Problem;
use crate::config::auth::{AuthConfig, RawAuth, RawIntrospection, Written};
use crate::config::de::{list, optional};
use crate::config::web_url::WebUrl;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// Who may create a session through MSC4388.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody: the API answers as if it did not exist.
    Off,
    /// Users of the homeserver.
    Authenticated,
    /// Anyone.
    Open,
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "authenticated" => Ok(Self::Authenticated),
            "open" | "public" => Ok(Self::Open),
            _ => Err("expected \"off\", \"authenticated\" or \"open\""),
        }
    }
}

/// A homeserver whose clients come to this deployment.
#[derive(Debug, Clone)]
pub struct HomeserverConfig {
    /// The names by which its clients come, as `Host` has them, lower case and without port. Of the only
    /// one none are asked.
    pub hosts: Vec<String>,
    /// Whether MSC4388 is served, and to whom.
    pub mode: Mode,
    /// Who says whose token an access token is; in mode `authenticated` there is one.
    pub auth: Option<AuthConfig>,
    /// Where clients reach this server, without a slash at the end.
    pub public_base_url: Option<String>,
    /// What the keys of its backend begin with.
    pub at: String,
}

/// An entry as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHomeserver {
    #[serde(deserialize_with = "list")]
    host: Vec<Host>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    mode: Option<Mode>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    public_base_url: Option<WebUrl>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    homeserver_url: Option<WebUrl>,
    #[serde(
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    introspection: RawIntrospection,
}

/// Reads the entries, and says how they are written where they are not.
pub(super) fn entries<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RawHomeserver>, D::Error> {
    deserializer.deserialize_any(Entries)
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<RawHomeserver>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("entries, each under [[auth.homeserver]] in double brackets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_element()? {
            all.push(entry);
        }
        Ok(all)
    }
}

/// The name of a host, as `Host` has it (RFC 9110 §7.2), without port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Host(String);

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected the name of a host such as matrix.example.org, without port";
        // Written in full or not, it is the same name.
        let text = text.strip_suffix('.').unwrap_or(text);
        let url = Url::parse(&format!("http://{text}/")).map_err(|_| FORM)?;
        // What comes back otherwise had a port, a path, a user or blanks in it.
        match url.host_str() {
            Some(host) if host.eq_ignore_ascii_case(text) => Ok(Self(host.to_owned())),
            _ => Err(FORM),
        }
    }
}

/// The homeservers, by the keys that are about one or by the entries; at least one.
pub(super) fn validate(
    mode: Mode,
    public_base_url: Option<&WebUrl>,
    auth: &RawAuth,
    problems: &mut Vec<Problem>,
) -> Vec<HomeserverConfig> {
    if auth.homeserver.is_empty() {
        let only = Entry {
            mode: (mode, "mode"),
            hosts: &[],
            public_base_url,
            backend: auth.written(),
        };
        return vec![only.validate(problems)];
    }
    let base_url = public_base_url.map(|_| "http.public_base_url".to_owned());
    for key in [auth.written().any(), base_url].into_iter().flatten() {
        let reason = "is set beside [[auth.homeserver]]; set it in the entries";
        problems.push(Problem::new(key, reason));
    }
    let mut named: Vec<&Host> = Vec::new();
    let mut homeservers = Vec::new();
    for (number, entry) in auth.homeserver.iter().enumerate() {
        let at = format!("auth.homeserver.{number}");
        if entry.host.is_empty() {
            problems.push(Problem::new(format!("{at}.host"), "names no host"));
        }
        for host in &entry.host {
            if named.contains(&host) {
                let reason = format!("{}: is named twice", host.0);
                problems.push(Problem::new(format!("{at}.host"), reason));
            }
            named.push(host);
        }
        let mode_key = format!("{at}.mode");
        let entry = Entry {
            mode: entry.mode.map_or((mode, "mode"), |own| (own, &mode_key)),
            hosts: &entry.host,
            public_base_url: entry.public_base_url.as_ref(),
            backend: Written {
                at: &at,
                homeserver_url: entry.homeserver_url.as_ref(),
                ca_file: entry.ca_file.as_ref(),
                introspection: &entry.introspection,
            },
        };
        homeservers.push(entry.validate(problems));
    }
    homeservers
}

/// What is written about one homeserver, wherever it is.
struct Entry<'a> {
    mode: (Mode, &'a str),
    hosts: &'a [Host],
    public_base_url: Option<&'a WebUrl>,
    backend: Written<'a>,
}

impl Entry<'_> {
    fn validate(self, problems: &mut Vec<Problem>) -> HomeserverConfig {
        let said = problems.len();
        let (mode, mode_key) = self.mode;
        let at = self.backend.at;
        let auth = self.backend.validate(problems);
        if mode == Mode::Authenticated && auth.is_none() && problems.len() == said {
            let reason = format!(
                "\"authenticated\" needs {at}.homeserver_url or {at}.introspection.endpoint"
            );
            problems.push(Problem::new(mode_key, reason));
        }
        HomeserverConfig {
            hosts: self.hosts.iter().map(|host| host.0.clone()).collect(),
            mode,
            auth,
            public_base_url: self.public_base_url.map(|url| url.base().to_owned()),
            at: at.to_owned(),
        }
    }
}
