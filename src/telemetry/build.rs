//! What was built, for `/version` and the metrics.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built, where the build names it in `MATRIX_RENDEZVOUS_REVISION`. Not a
/// `RENDEZVOUS_…`: an image that keeps it in its environment would set an unknown key.
pub const REVISION: &str = match option_env!("MATRIX_RENDEZVOUS_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
