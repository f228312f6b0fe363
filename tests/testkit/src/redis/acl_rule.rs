//! The ACL rule that the documentation gives operators for the Redis user.

/// The words of the rule, from the key pattern on.
pub fn documented_rule() -> Vec<String> {
    rule_of("redis.md")
}

/// The words of the rule in a page of `docs`. Panics if the page does not have exactly one line with a
/// rule.
pub fn rule_of(page: &str) -> Vec<String> {
    let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the documentation");
    let mut rules = text
        .lines()
        .filter(|line| line.contains("+evalsha"))
        .filter_map(|line| line.find("~mrv:*").map(|start| &line[start..]));
    let rule = rules.next().expect("one line with the rule");
    assert_eq!(rules.next(), None, "{page} has two rules");
    let words = rule.trim().trim_matches('`').split(' ');
    words.map(str::to_owned).collect()
}
