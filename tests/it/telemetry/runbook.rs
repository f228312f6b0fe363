//! `docs/operations.md`, held against the sources: the log messages that it searches for exist.

use std::fs;
use std::path::Path;

use crate::architecture::sources;

/// Returns the messages that the page's `logs | grep '…'` search for. Fields (`name="…"`) and targets
/// (`access:`, `refused:`) are not messages.
fn messages(page: &str) -> Vec<&str> {
    let commands = page.lines().filter(|line| line.contains("logs | grep"));
    let patterns = commands.filter_map(|line| line.split("grep ").nth(1)?.split('\'').nth(1));
    let alternatives = patterns.flat_map(|pattern| pattern.split('|'));
    alternatives
        .filter(|message| !message.contains("=\"") && !message.contains(':'))
        .collect()
}

#[test]
fn runbook_searches_for_messages_that_exist() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(page).expect("the runbook");
    let messages = messages(&page);
    let sources = sources();
    // A message that is only quoted in a comment is not logged.
    let code = sources
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter(|line| !line.trim().starts_with("//"));
    assert!(messages.len() >= 6, "{messages:?}");
    for message in messages {
        assert!(
            code.clone().any(|line| line.contains(message)),
            "no message has {message:?}"
        );
    }
}
