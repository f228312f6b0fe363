//! One homeserver of a deployment.
//!
//! Most deployments serve one homeserver and use the keys `mode`, `auth.homeserver_url` and
//! `http.public_base_url`. A deployment with several has an entry `[[auth.homeserver]]` for each.

use crate::config::ConfigProblem;
use crate::config::de::{Scalar, list, section};
use crate::config::verifier::{AuthConfig, RawIntrospection, RawVerifier};
use crate::config::web_url::WebUrl;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// Which clients may create a session through MSC4388.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// No client: every request of the API gets a 404.
    Off,
    /// Users of the homeserver.
    Authenticated,
    /// Every client.
    Open,
}

impl Mode {
    /// The name of the mode in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Authenticated => "authenticated",
            Self::Open => "open",
        }
    }
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

/// A homeserver that this deployment serves.
#[derive(Debug, Clone)]
pub struct HomeserverConfig {
    /// The values of `Host` that select this homeserver, in lower case and without port. Empty if
    /// it is the only homeserver: then `Host` is not checked.
    pub hosts: Vec<String>,
    /// Which clients may create a session through MSC4388.
    pub mode: Mode,
    /// The token verifier. Always set in mode `authenticated`.
    pub auth: Option<AuthConfig>,
    /// The URL at which clients reach this server, without a trailing slash.
    pub public_base_url: Option<String>,
    /// The section or entry of the verifier's keys, as in `auth` or `auth.homeserver.0`.
    pub key_prefix: String,
}

/// An entry `[[auth.homeserver]]` as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHomeserver {
    #[serde(deserialize_with = "list")]
    host: Vec<Host>,
    mode: Option<Scalar<Mode>>,
    public_base_url: Option<Scalar<WebUrl>>,
    homeserver_url: Option<Scalar<WebUrl>>,
    ca_file: Option<Scalar<PathBuf>>,
    #[serde(default, deserialize_with = "section")]
    introspection: RawIntrospection,
}

/// A host name as it stands in `Host` (RFC 9110 §7.2), without port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Host(String);

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED_HOST: &str = "expected a host name such as matrix.example.org, without port";
        // A trailing dot marks a fully qualified name; the name is the same without it.
        let text = text.strip_suffix('.').unwrap_or(text);
        let url = Url::parse(&format!("http://{text}/")).map_err(|_| EXPECTED_HOST)?;
        // If the parsed host differs, the text had a port, a path, a user or blanks in it.
        match url.host_str() {
            Some(host) if host.eq_ignore_ascii_case(text) => Ok(Self(host.to_owned())),
            _ => Err(EXPECTED_HOST),
        }
    }
}

/// Checks that every entry has a host and that no host is listed twice.
pub(super) fn validate_hosts(entries: &[RawHomeserver], problems: &mut Vec<ConfigProblem>) {
    let mut seen: Vec<&Host> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let key = format!("auth.homeserver.{number}.host");
        if entry.host.is_empty() {
            problems.push(ConfigProblem::new(
                key.clone(),
                "must name at least one host",
            ));
        }
        for host in &entry.host {
            if seen.contains(&host) {
                let reason = format!("{}: is listed twice", host.0);
                problems.push(ConfigProblem::new(key.clone(), reason));
            }
            seen.push(host);
        }
    }
}

impl RawHomeserver {
    /// The keys of this entry; `default_mode` applies if the entry has no `mode`.
    pub(super) fn keys<'a>(
        &'a self,
        default_mode: Mode,
        key_prefix: &'a str,
    ) -> HomeserverKeys<'a> {
        let (mode, mode_key) = match self.mode {
            Some(Scalar(own)) => (own, format!("{key_prefix}.mode")),
            None => (default_mode, "mode".to_owned()),
        };
        HomeserverKeys {
            mode,
            mode_key,
            hosts: &self.host,
            public_base_url: self.public_base_url.as_ref().map(|Scalar(url)| url),
            verifier: RawVerifier {
                key_prefix,
                homeserver_url: self.homeserver_url.as_ref().map(|Scalar(url)| url),
                ca_file: self.ca_file.as_ref().map(|Scalar(path)| path.as_path()),
                introspection: &self.introspection,
            },
        }
    }
}

/// The keys of one homeserver, from the top-level sections or from an entry.
pub(super) struct HomeserverKeys<'a> {
    pub(super) mode: Mode,
    /// The key that set `mode`, for errors.
    pub(super) mode_key: String,
    pub(super) hosts: &'a [Host],
    pub(super) public_base_url: Option<&'a WebUrl>,
    pub(super) verifier: RawVerifier<'a>,
}

impl HomeserverKeys<'_> {
    pub(super) fn validate(self, problems: &mut Vec<ConfigProblem>) -> HomeserverConfig {
        let problems_before = problems.len();
        let key_prefix = self.verifier.key_prefix;
        let auth = self.verifier.validate(problems);
        let is_missing = auth.is_none() && problems.len() == problems_before;
        if self.mode == Mode::Authenticated && is_missing {
            let reason = format!(
                "\"authenticated\" requires {key_prefix}.homeserver_url or \
                 {key_prefix}.introspection.endpoint"
            );
            problems.push(ConfigProblem::new(self.mode_key, reason));
        }
        HomeserverConfig {
            hosts: self.hosts.iter().map(|host| host.0.clone()).collect(),
            mode: self.mode,
            auth,
            public_base_url: self.public_base_url.map(|url| url.base().to_owned()),
            key_prefix: key_prefix.to_owned(),
        }
    }
}

impl HomeserverConfig {
    /// The first of its hosts. Empty if it is the only homeserver.
    #[must_use]
    pub fn name(&self) -> &str {
        self.hosts.first().map_or("", String::as_str)
    }

    /// The key of [`HomeserverConfig::public_base_url`].
    #[must_use]
    pub fn base_url_key(&self) -> String {
        let section = match self.hosts.as_slice() {
            [] => "http",
            [..] => &self.key_prefix,
        };
        format!("{section}.public_base_url")
    }

    /// Whether `key` is one of this homeserver's keys that say how to authenticate to its token
    /// verifier and which certificate authorities to trust there.
    #[must_use]
    pub fn has_credential_key(&self, key: &str) -> bool {
        const CREDENTIAL_KEYS: [&str; 4] = [
            "ca_file",
            "introspection.client_id",
            "introspection.client_secret",
            "introspection.client_secret_file",
        ];
        let key = key.strip_prefix(&self.key_prefix);
        let key = key.and_then(|key| key.strip_prefix('.'));
        key.is_some_and(|key| CREDENTIAL_KEYS.contains(&key))
    }

    /// Appends a warning for each setting of this homeserver that is valid but probably unintended.
    /// `msc4108` is whether the ETag dialect is served.
    pub(super) fn warnings(&self, msc4108: bool, warnings: &mut Vec<String>) {
        let key_prefix = &self.key_prefix;
        if self.mode == Mode::Off {
            if !self.hosts.is_empty() && !msc4108 {
                let hosts = self.hosts.join(", ");
                warnings.push(format!(
                    "{key_prefix}: mode is off: requests to {hosts} get a 404"
                ));
            }
            if self.auth.is_some() {
                warnings.push(format!(
                    "{key_prefix}: mode is off: the token verifier is not used"
                ));
            }
        }
        let key = self.base_url_key();
        if let Some(url) = &self.public_base_url
            && let Some(path) = path_of(url)
        {
            warnings.push(format!(
                "{key} has a path: session URLs are {url}/_matrix/…, and no client \
                 reaches them unless the proxy removes {path}. Without such a proxy, write the URL \
                 without a path"
            ));
        }
        if self.public_base_url.is_none() && msc4108 {
            warnings.push(format!(
                "{key} is not set: session URLs are built from the Host header \
                 of the request that creates the session"
            ));
        }
    }
}

/// Returns the path of a URL without a trailing slash, if it has one.
fn path_of(base_url: &str) -> Option<&str> {
    let (_, rest) = base_url.split_once("://")?;
    rest.find('/').map(|at| &rest[at..])
}
