//! The section `admin`: the listener for operators, and the token of its API.

use crate::config::ConfigProblem;
use crate::config::de::Scalar;
use crate::config::listen::ListenAddresses;
use crate::config::secret::{self, Secret};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The key of the token's file.
pub(super) const TOKEN_FILE: &str = "admin.token_file";

/// Shortest and longest token, in characters. 32 hexadecimal digits have 128 random bits.
const TOKEN_LEN: std::ops::RangeInclusive<usize> = 32..=4096;

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAdmin {
    listen: ListenAddresses,
    token_file: Option<Scalar<PathBuf>>,
}

impl RawAdmin {
    /// The addresses of the listener.
    pub(super) fn listen(&self) -> &ListenAddresses {
        &self.listen
    }

    /// Reads the token. Returns `None` if no file is configured, or if it appends a problem.
    pub(super) fn token(&self, problems: &mut Vec<ConfigProblem>) -> Option<Secret> {
        let Scalar(path) = self.token_file.as_ref()?;
        let token = secret::read::<Secret>(TOKEN_FILE, path).and_then(|token| {
            let text = token.expose();
            // Those of RFC 6750 §2.1: no other could be sent.
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            if TOKEN_LEN.contains(&text.len()) && text.bytes().all(is_allowed) {
                return Ok(token);
            }
            let path = path.display();
            let reason = "must have 32 to 4096 characters of A-Z, a-z, 0-9, '-', '.', '_', '~', '+', '/' and \
                          '='; make one with: openssl rand -hex 32";
            Err(ConfigProblem::new(TOKEN_FILE, format!("{path}: {reason}")))
        });
        token.map_err(|problem| problems.push(problem)).ok()
    }
}
