//! Reads the files that the configuration names. No other module opens a file.
//!
//! Every file is read as a whole, and again later: the configuration and the secrets at SIGHUP, those
//! of Redis before each connection. So only a regular file is accepted, or a symbolic link to one, as
//! Kubernetes mounts them. A pipe is empty at the second read, a FIFO without a writer never opens, and
//! a device may never end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Upper bound of a file, in bytes. Kubernetes limits a `ConfigMap` or a Secret to 1 MiB, and the
/// certificate authorities of a whole Linux distribution take a quarter of it.
pub const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system rejected the access, or the read failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The path names a directory, a pipe, a socket or a device.
    #[error("is not a regular file, but it must be readable again at any time")]
    NotRegular,
    /// The file is longer than [`MAX_FILE_SIZE`].
    #[error("is longer than 1 MiB")]
    TooLong,
    /// The file is not text.
    #[error("is not UTF-8")]
    NotUtf8,
}

/// Reads a file.
///
/// # Errors
/// [`FileError`] if the file cannot be read, is not regular, or has more than [`MAX_FILE_SIZE`] bytes.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    // Before the file is opened: opening a FIFO waits for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut bytes = Vec::new();
    // The length in the metadata is no bound: the file may grow, and files of /proc have none.
    let mut capped = File::open(path)?.take(MAX_FILE_SIZE + 1);
    capped.read_to_end(&mut bytes)?;
    if capped.limit() == 0 {
        return Err(FileError::TooLong);
    }
    Ok(bytes)
}

/// Reads a text file.
///
/// # Errors
/// As [`read`], and [`FileError::NotUtf8`].
pub fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|_| FileError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::{FileError, MAX_FILE_SIZE, read, read_text};
    use std::path::Path;

    fn of_length(length: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(length).expect("a length");
        file
    }

    #[test]
    fn file_is_read_up_to_its_bound() {
        let longest = of_length(MAX_FILE_SIZE);
        let bytes = read(longest.path()).expect("it fits");
        assert_eq!(bytes.len() as u64, MAX_FILE_SIZE);
        let longer = of_length(MAX_FILE_SIZE + 1);
        assert!(matches!(read(longer.path()), Err(FileError::TooLong)));
        let empty = of_length(0);
        assert_eq!(read_text(empty.path()).expect("it is read"), "");
    }

    #[test]
    fn device_and_directory_are_rejected() {
        for path in ["/dev/zero", "/dev/null", "/dev"] {
            let error = read(Path::new(path)).expect_err(path);
            assert!(matches!(error, FileError::NotRegular), "{path}: {error}");
        }
        let missing = read(Path::new("/not/there")).expect_err("it is missing");
        assert!(matches!(missing, FileError::Io(_)), "{missing}");
    }
}
