//! The JSON schema of the configuration file: the document is the one that the program prints, and it
//! agrees with the validator.

mod cases;
mod disagreements;

use crate::repository;
use boon::{Compiler, SchemaIndex, Schemas};
use cases::{Case, all_cases};
use disagreements::{DISAGREEMENTS, explains};
use matrix_rendezvous::config::Sources;
use matrix_rendezvous::config::optional_keys::OPTIONAL_KEYS;
use matrix_rendezvous::config::schema::json_schema;
use matrix_rendezvous::startup;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The compiled schema.
pub struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
    document: Value,
}

impl Schema {
    fn compile() -> Self {
        let document: Value = serde_json::from_str(&json_schema()).expect("JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("schema.json", document.clone())
            .expect("a schema");
        let index = compiler
            .compile("schema.json", &mut schemas)
            .expect("a valid schema");
        Self {
            schemas,
            index,
            document,
        }
    }

    /// Whether the schema accepts the file; if not, why.
    fn check(&self, file: &toml::Table) -> Result<(), String> {
        let value = serde_json::to_value(file).expect("JSON");
        let checked = self.schemas.validate(&value, self.index);
        checked.map_err(|error| error.to_string())
    }
}

/// Whether the program accepts the file alone; if not, why.
fn validate(text: &str, directory: &Path) -> Result<(), String> {
    let file = directory.join("config.toml");
    fs::write(&file, text).expect("written");
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let loaded = startup::load(&sources);
    loaded.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn document_is_what_the_program_prints() {
    let printed = crate::cli::run(&["config", "schema"], &[]).stdout;
    assert_eq!(printed, json_schema());
    let path = repository::root().join("docs/config.schema.json");
    let document = fs::read_to_string(path).expect("docs/config.schema.json");
    assert!(
        document == printed,
        "docs/config.schema.json is out of date: \
         cargo run -- config schema >docs/config.schema.json"
    );
}

/// The samples name the schema, for editors.
#[test]
fn samples_name_the_schema() {
    for (sample, schema) in [
        ("config/default.toml", "#:schema ../docs/config.schema.json"),
        (
            "deploy/systemd/config.toml",
            "#:schema file:///usr/share/doc/matrix-rendezvous/config.schema.json",
        ),
    ] {
        let text = fs::read_to_string(repository::root().join(sample)).expect("text");
        assert_eq!(text.lines().next(), Some(schema), "{sample}");
    }
    let manifest = fs::read_to_string(repository::root().join("Cargo.toml")).expect("text");
    let installed = "[\"docs/config.schema.json\", \"usr/share/doc/matrix-rendezvous/\", \"644\"]";
    assert!(manifest.contains(installed), "the package lacks the schema");
}

/// An entry `[[auth.homeserver]]` has keys that the sample does not show there.
#[test]
fn entry_has_every_key_of_auth() {
    let schema = Schema::compile().document;
    let entry = &schema["properties"]["auth"]["properties"]["homeserver"]["items"]["properties"];
    let keys = OPTIONAL_KEYS
        .iter()
        .filter_map(|key| key.strip_prefix("auth."));
    let keys: Vec<&str> = keys.chain(["host", "mode", "public_base_url"]).collect();
    assert!(keys.len() > 8, "{keys:?}");
    for key in keys {
        let path = format!("/{}", key.replace('.', "/properties/"));
        assert!(entry.pointer(&path).is_some(), "{key}: {entry:#}");
    }
}

/// The samples, and each configuration that a document shows.
#[test]
fn schema_accepts_every_documented_configuration() {
    let (schema, directory) = (Schema::compile(), TempDir::new().expect("a directory"));
    let mut texts = Vec::new();
    for sample in [
        "config/default.toml",
        "deploy/systemd/config.toml",
        "deploy/compose/rendezvous.toml",
    ] {
        let text = fs::read_to_string(repository::root().join(sample)).expect("text");
        texts.push((sample.to_owned(), text));
    }
    for (path, page) in repository::texts(&repository::root().join("docs"), "md") {
        for block in page.split("```toml\n").skip(1) {
            let text = block.split("```").next().expect("a block").to_owned();
            texts.push((path.display().to_string(), text));
        }
    }
    assert!(texts.len() >= 5, "only {} configurations", texts.len());
    for (path, text) in texts {
        let file: toml::Table = text
            .parse()
            .unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
        if let Err(error) = schema.check(&file) {
            let validated = validate(&text, directory.path());
            panic!("{path}: {error}\n{text}\nthe program: {validated:?}");
        }
    }
}

/// Each key gets each value of a list that has wrong and right ones for every type, and each section an
/// unknown key.
#[test]
fn schema_agrees_with_the_validator() {
    let (schema, directory) = (Schema::compile(), TempDir::new().expect("a directory"));
    let cases = all_cases(&schema.document);
    assert!(cases.len() > 1200, "only {} cases", cases.len());
    let (mut unexplained, mut used) = (Vec::new(), BTreeSet::new());
    let (mut accepted, mut rejected) = (0, 0);
    for case in &cases {
        let text = toml::to_string(&case.file).expect("TOML");
        let (by_schema, by_program) = (schema.check(&case.file), validate(&text, directory.path()));
        match (&by_schema, &by_program) {
            (Ok(()), Ok(())) => accepted += 1,
            (Err(_), Err(_)) => rejected += 1,
            _ => match explanation(case, by_program.as_ref().err()) {
                Some(name) => drop(used.insert(name)),
                None => unexplained.push(format!(
                    "{} = {}: the schema: {by_schema:?}; the program: {by_program:?}",
                    case.key, case.value
                )),
            },
        }
    }
    assert!(
        unexplained.is_empty(),
        "{} of {} disagreements:\n{}",
        unexplained.len(),
        cases.len(),
        unexplained.join("\n")
    );
    let stale: Vec<_> = DISAGREEMENTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !used.contains(name))
        .collect();
    assert!(stale.is_empty(), "no case needs: {stale:?}");
    assert!(
        accepted > 200 && rejected > 1000,
        "{accepted} accepted, {rejected} rejected"
    );
}

/// The name of the disagreement that explains this one.
fn explanation(case: &Case, error: Option<&String>) -> Option<&'static str> {
    let found = DISAGREEMENTS
        .iter()
        .find(|(name, _)| explains(name, case, error.map(String::as_str)));
    found.map(|(name, _)| *name)
}
