//! The man pages and the shell completions. Both are generated from the commands and flags in [`Cli`],
//! so they cannot differ from what the program accepts.

use super::Cli;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::Path;

/// Writes one man page (roff, section 1) for the program and one for each of its commands, such as
/// `matrix-rendezvous.1` and `matrix-rendezvous-doctor.1`, into an existing directory. Existing pages
/// are overwritten.
///
/// # Errors
/// An I/O error, with the directory: it does not exist, or a page cannot be written.
pub fn write_man_pages(directory: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| io::Error::other(format!("{}: {error}", directory.display())))
}

/// Writes a completion script for `shell` to `output`.
///
/// # Errors
/// An I/O error of `output`.
pub fn write_completions(shell: Shell, output: &mut impl Write) -> io::Result<()> {
    // `clap_complete` panics if its output fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut Cli::command(),
        env!("CARGO_PKG_NAME"),
        &mut script,
    );
    output.write_all(&script)
}
