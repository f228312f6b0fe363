//! An `http` or `https` URL as it is written in the configuration.

use serde::{Serialize, Serializer};
use std::str::FromStr;
use url::Url;

/// An absolute `http` or `https` URL without credentials, query or fragment.
#[derive(Debug, Clone)]
pub struct WebUrl(pub Url);

impl FromStr for WebUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED_URL: &str = "expected a URL such as https://matrix.example.org";
        let url = Url::parse(text).map_err(|_| EXPECTED_URL)?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !is_web {
            return Err(EXPECTED_URL);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("expected a URL without user name and password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("expected a URL without query (?) and fragment (#)");
        }
        Ok(Self(url))
    }
}

impl Serialize for WebUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl WebUrl {
    /// Returns the URL without a trailing slash, so that a path can be appended.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}
