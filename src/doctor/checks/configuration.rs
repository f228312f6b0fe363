//! The configuration: the warnings of `config check`.

use crate::doctor::check::{CheckOutcome, warn};
use crate::doctor::check_context::CheckContext;

/// Reports the warnings of the configuration. An invalid one ends the doctor before the checks.
pub(super) fn configuration(context: &CheckContext) -> CheckOutcome {
    let deployment = context.deployment()?;
    if deployment.warnings.is_empty() {
        return Ok(format!("valid; mode {}", deployment.modes.join(", ")));
    }
    Err(warn(
        deployment.warnings.join("; "),
        "the service starts, and may do something else than you expect",
        "change the keys that the text names; docs/configuration.md explains each",
    ))
}
