//! The path and the mode of a Unix socket that a listener creates.

use super::ListenAddressError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Mode of a socket file without `?mode=`: its owner and its group may connect. A proxy runs as another
/// user, and gets access through the group.
const DEFAULT_MODE: u32 = 0o660;

/// Longest path of a Unix socket, in bytes: `sun_path` has 108, the last of which is 0 (unix(7)).
const MAX_PATH_LEN: usize = 107;

/// Separates the path from the mode.
const MODE: &str = "?mode=";

/// The path of a Unix socket, and the permissions of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixListenPath {
    path: PathBuf,
    mode: u32,
}

impl UnixListenPath {
    /// The absolute path of the socket file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The permission bits of the socket file. A client needs the one to write.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode
    }
}

impl FromStr for UnixListenPath {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, mode) = match text.split_once('?') {
            None => (text, DEFAULT_MODE),
            Some((path, _)) => {
                let digits = text[path.len()..].strip_prefix(MODE);
                let mode = digits.and_then(parse_mode);
                (path, mode.ok_or(ListenAddressError::UnixMode)?)
            }
        };
        let is_file = path.starts_with('/') && !path.ends_with('/');
        if !is_file || path.len() > MAX_PATH_LEN || path.contains('\0') {
            return Err(ListenAddressError::UnixPath);
        }
        let path = path.into();
        Ok(Self { path, mode })
    }
}

/// Parses three octal digits, or four of which the first is 0: a socket needs no set-ID bit.
fn parse_mode(digits: &str) -> Option<u32> {
    let is_octal = digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let has_length = digits.len() == 3 || (digits.len() == 4 && digits.starts_with('0'));
    let mode = u32::from_str_radix(digits, 8).ok();
    mode.filter(|_| is_octal && has_length)
}

impl fmt::Display for UnixListenPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{MODE}{:04o}", self.path.display(), self.mode)
    }
}
