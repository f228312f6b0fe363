//! Where the schema and the program disagree, and why.

use super::Case;

/// Every kind of disagreement, and its reason.
pub const DISAGREEMENTS: [(&str, &str); 7] = [
    (
        "spelling",
        "The environment has only text, so the program also takes a number as text, text as a number, a list as \
         a,b, and blanks around a value. A file has types, and the schema asks for them.",
    ),
    (
        "duration",
        "A pattern has the syntax of a duration and not its range.",
    ),
    (
        "together",
        "Two keys together. The schema is for one file, and the environment may set the other key.",
    ),
    ("file", "A schema cannot read a file."),
    (
        "address",
        "A pattern has the characters of an IPv6 address or a host name and not the grammar.",
    ),
    (
        "listener",
        "A pattern cannot compare two addresses of a listener.",
    ),
    (
        "redis URL",
        "A pattern has the schemes of a Redis URL and not its parts.",
    ),
];

/// Whether the disagreement about this case is of this kind. `error` is what the program reports, if it rejects
/// what the schema accepts.
pub fn explains(name: &str, case: &Case, error: Option<&str>) -> bool {
    let Some(error) = error else {
        return name == "spelling" && is_spelling(case);
    };
    let has = |text: &str| error.contains(text);
    match name {
        "duration" => case.schema["examples"][0] == "300s" && has("must "),
        "together" => [
            "must differ from",
            "burst / per_second",
            "must fit into",
            "is required",
            "is listed twice",
            "is set beside",
        ]
        .into_iter()
        .any(has),
        "file" => case.key.ends_with("_file") && (has("No such file") || has("not a regular file")),
        "address" => {
            let is_v6 = case.value.to_string().contains(':');
            (has("expected an address or a CIDR range") && is_v6) || has("expected a host name")
        }
        "listener" => has(" overlap: "),
        "redis URL" => case.key == "store.redis.url",
        _ => false,
    }
}

/// Whether the value has another type than the schema asks for, or blanks around it.
fn is_spelling(case: &Case) -> bool {
    let wanted = case.schema["type"].as_str().unwrap_or("string");
    match &case.value {
        toml::Value::String(text) => {
            wanted != "string" || text.trim() != text || text.contains(',')
        }
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
            wanted == "string" || wanted == "array"
        }
        // `[auth.homeserver.0]` is how the environment writes an entry.
        toml::Value::Table(_) => case.key == "auth.homeserver",
        toml::Value::Array(_) | toml::Value::Datetime(_) => false,
    }
}
