//! The ACL rules that the documentation gives operators for the users of Redis and of the sentinels.

/// The words of the rule, from the key pattern on.
pub fn documented_rule() -> Vec<String> {
    rule_of("redis.md")
}

/// The words of the rule for the sentinels, after the password.
pub fn documented_sentinel_rule() -> Vec<String> {
    only_rule("redis.md", "+sentinel|master ", "&+switch-master")
}

/// The words of the rule for Redis in a page of `docs`. Panics if the page does not have exactly one line
/// with a rule.
pub fn rule_of(page: &str) -> Vec<String> {
    only_rule(page, "+evalsha", "~mrv:*")
}

/// The words from `first` on, in the only line of the page that has both texts.
fn only_rule(page: &str, mark: &str, first: &str) -> Vec<String> {
    let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the documentation");
    let mut rules = text
        .lines()
        .filter(|line| line.contains(mark))
        .filter_map(|line| line.find(first).map(|start| &line[start..]));
    let rule = rules.next().expect("one line with the rule");
    assert_eq!(rules.next(), None, "{page} has two rules");
    let words = rule.trim().trim_matches('`').split(' ');
    words.map(str::to_owned).collect()
}
