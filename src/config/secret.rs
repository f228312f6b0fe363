//! Secrets: values that `config print`, errors and logs must mask.

use crate::config::ConfigProblem;
use crate::file;
use serde::{Serialize, Serializer};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use url::Url;

/// Replaces a secret in every output.
const MASK: &str = "***";

/// A URL that may contain a password. Only [`SecretUrl::expose`] returns the password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Returns the URL with its secrets.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Accepts any text. The store checks whether it is a URL that it supports.
impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Displays the URL with masked passwords: its own, and each query parameter with `password` in its
/// name, such as Sentinel's.
impl fmt::Display for SecretUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(&self.0) else {
            return out.write_str(MASK);
        };
        if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
            return out.write_str(MASK);
        }
        let is_secret = |name: &str| name.to_ascii_lowercase().contains("password");
        if url.query_pairs().any(|(name, _)| is_secret(&name)) {
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            url.query_pairs_mut().clear().extend_pairs(
                pairs
                    .iter()
                    .map(|(name, value)| (name, if is_secret(name) { MASK } else { value })),
            );
        }
        out.write_str(url.as_str())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretUrl({self})")
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A secret text. Only [`Secret::expose`] returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secret({MASK})")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Reads the secret in the file at `path`, which `key` names.
///
/// Leading and trailing whitespace is removed, since editors append a newline.
///
/// # Errors
/// A [`ConfigProblem`] if the file cannot be read or is empty. It never contains the secret.
pub fn read<T: FromStr<Err = Infallible>>(
    key: impl Into<String>,
    path: &Path,
) -> Result<T, ConfigProblem> {
    let problem = |reason: &str| ConfigProblem::new(key, format!("{}: {reason}", path.display()));
    match file::read_text(path).as_deref().map(str::trim) {
        Err(error) => Err(problem(&error.to_string())),
        Ok("") => Err(problem("is empty")),
        Ok(secret) => Ok(secret
            .parse()
            .unwrap_or_else(|never: Infallible| match never {})),
    }
}

#[cfg(test)]
mod tests {
    use super::SecretUrl;

    #[test]
    fn passwords_in_urls_are_masked() {
        for url in [
            "redis://user:hunter2@host:6379/0",
            "redis://:hunter2@host",
            "redis-sentinel://host:1/0?sentinelServiceName=m&sentinelPassword=hunter2",
            "not a url hunter2",
        ] {
            let secret: SecretUrl = url.parse().expect("any text");
            assert!(
                !format!("{secret} {secret:?}").contains("hunter2"),
                "{secret}"
            );
            assert_eq!(secret.expose(), url);
        }
        let open: SecretUrl = "redis://host:6379/0".parse().expect("any text");
        assert_eq!(open.to_string(), "redis://host:6379/0");
    }
}
