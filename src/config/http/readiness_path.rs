//! The path of `http.readiness_path`.

use serde::Serialize;
use std::str::FromStr;

/// Longest path in bytes, far above any health check's.
pub(in crate::config) const MAX_PATH_LEN: usize = 200;

/// A path of plain characters, outside the Matrix API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(in crate::config) struct PathOnClientsListener(pub(in crate::config) String);

impl FromStr for PathOnClientsListener {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let is_path = text.starts_with('/') && !text.starts_with("//");
        if !(2..=MAX_PATH_LEN).contains(&text.len()) || !is_path || !text.bytes().all(is_plain) {
            return Err("expected a path such as /readyz, of letters, digits and /-._~");
        }
        if text == "/_matrix" || text.starts_with("/_matrix/") {
            return Err("expected a path such as /readyz, not below /_matrix");
        }
        Ok(Self(text.to_owned()))
    }
}
