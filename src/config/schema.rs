//! The JSON schema of the configuration file, for editors (docs/configuration.md).
//!
//! Keys, defaults and descriptions come from `config/default.toml`, the values of a key from `values`. A
//! test holds the schema against the validator. The schema is for one file: it requires no key, as the
//! defaults, the environment and the flags may set what the file lacks.

mod sample;
mod values;

use crate::config::schema::sample::{Sample, SampleKey};
use serde_json::{Map, Value, json};

/// What an editor shows for the file as a whole.
const DESCRIPTION: &str = "The configuration of matrix-rendezvous (docs/configuration.md). A key that is not set has its \
                           default. The environment and the flags win over this file. An unknown key is an error.";

/// Returns the schema (JSON Schema 2020-12) as text.
#[must_use]
pub fn json_schema() -> String {
    let sample = Sample::parse();
    let mut root = closed_section(DESCRIPTION);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("The configuration file of matrix-rendezvous");
    for key in &sample.0 {
        let section = open_section(&mut root, &key.section);
        section[&key.name] = key_schema(key);
    }
    // `Value` writes every value.
    format!("{root:#}\n")
}

/// A section without keys. Unknown keys are errors.
fn closed_section(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "properties": {},
    })
}

/// Returns the properties of a section, which are created first if the section is new.
fn open_section<'a>(root: &'a mut Value, section: &str) -> &'a mut Value {
    let mut properties = &mut root["properties"];
    let mut path = String::new();
    for name in section.split('.').filter(|name| !name.is_empty()) {
        path = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let is_list = path == values::LIST_OF_SECTIONS;
        if properties[name].is_null() {
            let section = closed_section(values::section_description(&path));
            properties[name] = if is_list { list_of(section) } else { section };
        }
        let child = &mut properties[name];
        properties = if is_list {
            &mut child["items"]["properties"]
        } else {
            &mut child["properties"]
        };
    }
    properties
}

/// The entries `[[auth.homeserver]]`. Only a file sets their keys, so the one that is required is here.
fn list_of(mut section: Value) -> Value {
    section["required"] = json!(["host"]);
    let description = section["description"].clone();
    json!({ "type": "array", "description": description, "items": section })
}

fn key_schema(key: &SampleKey) -> Value {
    let full_name = key.full_name();
    let mut schema = values::schema(&full_name).unwrap_or_else(|| Value::Object(Map::new()));
    schema["description"] = json!(key.description);
    if let Some(default) = &key.default {
        schema["default"] = default.clone();
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::sample::Sample;
    use super::values;

    #[test]
    fn every_key_has_values_and_a_description() {
        for key in Sample::parse().0 {
            let name = key.full_name();
            assert!(values::schema(&name).is_some(), "{name} has no values");
            assert!(key.description.len() > 10, "{name} has no description");
            let mut section = key.section.as_str();
            while !section.is_empty() {
                let description = values::section_description(section);
                assert!(!description.is_empty(), "[{section}] has no description");
                section = section.rsplit_once('.').map_or("", |(outer, _)| outer);
            }
        }
    }
}
