//! Reads the keys, defaults and comments of `config/default.toml`.

use crate::config::toml_file::DEFAULTS;
use serde_json::Value;

/// Every key of the sample, in the order of the file; also those that are commented out.
pub(super) struct Sample(pub(super) Vec<SampleKey>);

/// One key of the sample.
#[derive(Clone)]
pub(super) struct SampleKey {
    /// The section, such as `limits.create.client`. Empty above the first section.
    pub(super) section: String,
    /// The key in its section.
    pub(super) name: String,
    /// The comment above the key, or above its section, or of the key before.
    pub(super) description: String,
    /// `None` if the key is commented out.
    pub(super) default: Option<Value>,
}

impl SampleKey {
    /// The key with its section, such as `session.ttl`.
    pub(super) fn full_name(&self) -> String {
        match self.section.as_str() {
            "" => self.name.clone(),
            section => format!("{section}.{}", self.name),
        }
    }
}

impl Sample {
    /// Parses the embedded sample.
    pub(super) fn parse() -> Self {
        let mut keys = Vec::new();
        let (mut section, mut comment, mut last) = (String::new(), String::new(), String::new());
        for line in DEFAULTS.lines() {
            let text = line.strip_prefix("# ");
            if let Some(name) = section_name(line) {
                name.clone_into(&mut section);
                last = std::mem::take(&mut comment);
            } else if let Some((name, value)) = key_and_value(text.unwrap_or(line)) {
                if !comment.is_empty() {
                    last = std::mem::take(&mut comment);
                }
                keys.push(SampleKey {
                    section: section.clone(),
                    name: name.to_owned(),
                    description: last.clone(),
                    default: text.is_none().then(|| default(value)).flatten(),
                });
            } else if let Some(text) = text {
                append(&mut comment, text);
            } else if line.is_empty() && keys.is_empty() {
                // The head of the file.
                comment.clear();
            }
        }
        let mut sample = Self(keys);
        sample.complete_entries();
        sample
    }

    /// An entry `[[auth.homeserver]]` has the keys of `[auth]`, and some of other sections. The sample shows
    /// only what most entries have.
    fn complete_entries(&mut self) {
        let keys = self.0.clone();
        self.0
            .retain(|key| key.section != ENTRY || key.name == "host");
        for key in keys {
            let in_auth = key
                .section
                .strip_prefix("auth")
                .filter(|_| key.section != ENTRY);
            let inner = match (in_auth, key.full_name().as_str()) {
                (Some(inner), _) => inner,
                (None, "mode" | "http.public_base_url") => "",
                _ => continue,
            };
            self.0.push(SampleKey {
                section: format!("{ENTRY}{inner}"),
                default: None,
                ..key.clone()
            });
        }
    }
}

/// The section of the entries.
const ENTRY: &str = "auth.homeserver";

/// Returns the name in `[name]` or `# [[name]]`.
fn section_name(line: &str) -> Option<&str> {
    let line = line
        .strip_prefix("# ")
        .filter(|text| text.starts_with("[["))
        .unwrap_or(line);
    let is_header = line.starts_with('[') && line.ends_with(']');
    is_header.then(|| line.trim_matches(['[', ']']))
}

/// Splits `key = value`, if the line is one. A sentence of a comment has blanks before its `=`.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(" = ")?;
    let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!key.is_empty() && key.bytes().all(is_key)).then_some((key, value))
}

/// Appends a line of a comment. Indented lines, as of a list, stay lines.
fn append(comment: &mut String, line: &str) {
    let stays = line.starts_with(' ')
        || comment
            .rsplit('\n')
            .next()
            .is_some_and(|last| last.starts_with(' '));
    if !comment.is_empty() {
        comment.push(if stays { '\n' } else { ' ' });
    }
    comment.push_str(line);
}

fn default(value: &str) -> Option<Value> {
    let table: toml::Table = format!("value = {value}").parse().ok()?;
    serde_json::to_value(table.get("value")?).ok()
}
