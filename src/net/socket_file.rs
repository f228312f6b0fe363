//! The file of a Unix socket: its mode, its removal, and the replacement of one that was left behind.
//!
//! The directory should be writable for this process alone. A process that may write to it can replace
//! the file anyway.

use crate::config::listen::UnixListenPath;
use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use tokio::net::UnixStream;

/// The file of a socket that this process has created. Dropping it removes the file, unless another
/// process has replaced it.
#[derive(Debug)]
pub struct SocketFile {
    at: UnixListenPath,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    /// Takes over a file that this process has just created, and sets its mode.
    ///
    /// # Errors
    /// That of the operating system. The file is removed then.
    pub fn created(at: &UnixListenPath) -> io::Result<Self> {
        let id = file_id(at.path())?;
        let at = at.clone();
        let file = Self { at, id };
        fs::set_permissions(file.at.path(), Permissions::from_mode(file.at.mode()))?;
        Ok(file)
    }
}

/// Displays the address as it is configured.
impl fmt::Display for SocketFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "unix:{}", self.at)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let path = self.at.path();
        if file_id(path).is_ok_and(|id| id == self.id)
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "the file of a socket is left behind");
        }
    }
}

/// Whether the mode of this file lets every user connect. Not so if it cannot be read.
#[must_use]
pub fn is_writable_for_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o002 != 0)
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Why the file of a socket cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum SocketFileError {
    /// The file cannot be created, replaced or checked.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A process listens on the socket.
    #[error("another process listens on this socket")]
    InUse,
    /// The path is that of another file.
    #[error("the file exists and is not a socket")]
    NotASocket,
}

/// Removes the socket at this path if no process listens on it: the process that created it has ended
/// without removing it.
///
/// # Errors
/// [`SocketFileError::NotASocket`] for another file, [`SocketFileError::InUse`] if a process accepts
/// connections or has a full queue of them, [`SocketFileError::Io`] if that cannot be checked.
pub async fn remove_if_stale(path: &Path) -> Result<(), SocketFileError> {
    let file = match fs::symlink_metadata(path) {
        // It was removed in this moment.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if !file.file_type().is_socket() {
        return Err(SocketFileError::NotASocket);
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketFileError::InUse),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused => {
                tracing::info!(path = %path.display(), "replacing a socket that no process listens on");
                Ok(fs::remove_file(path)?)
            }
            ErrorKind::NotFound => Ok(()),
            // The queue of a listener is full.
            ErrorKind::WouldBlock => Err(SocketFileError::InUse),
            _ => Err(error.into()),
        },
    }
}
