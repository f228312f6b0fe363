//! Warnings about settings that are valid but probably unintended, from `config check` and at start.

use super::check;
use crate::server::Server;

/// A released client asks for the ETag dialect only.
#[test]
fn mode_without_the_etag_dialect_is_warned_about() {
    let (mode, etag) = ("RENDEZVOUS_MODE", "RENDEZVOUS_MSC4108__ENABLED");
    let warning = "msc4108.enabled is false";
    for (variables, warned) in [
        (&[(mode, "open")][..], true),
        (&[(mode, "open"), (etag, "true")], false),
        (&[(mode, "off"), (etag, "true")], false),
        // Then nothing is served, and the warning about that is enough.
        (&[], false),
    ] {
        let run = check(variables).expect(0);
        assert_eq!(run.warns_of(warning), warned, "{variables:?}: {run:#?}");
    }
    let log = Server::launch(&[("mode", "open")]).log();
    let warns = |line: &str| line.contains("WARN") && line.contains(warning);
    assert!(log.lines().any(warns), "{log}");
}
