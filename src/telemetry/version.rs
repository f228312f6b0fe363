//! Version and revision of the build, for `/version` and the metrics.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the build, from the environment variable `MATRIX_RENDEZVOUS_REVISION` at build
/// time.
///
/// The name does not begin with `RENDEZVOUS_`: an image that keeps the variable in its environment
/// would set an unknown configuration key.
pub const REVISION: &str = match option_env!("MATRIX_RENDEZVOUS_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
