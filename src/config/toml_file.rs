//! The TOML file as a source of the configuration, and the embedded defaults.

use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Metadata, Profile, Provider};

/// All defaults, as a commented sample. It is embedded, so the documented values are those that
/// run.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// A TOML file. Errors name it by its path.
pub(super) struct TomlFile {
    pub(super) path: String,
    pub(super) text: String,
}

impl Provider for TomlFile {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.path.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        // Not parsed by figment: its error would quote the line, which may contain a password.
        let table = self.text.parse::<toml::Table>().map_err(|error| {
            let position = error
                .span()
                .map_or_else(String::new, |span| line_and_column(&self.text, span.start));
            let mut error = figment::Error::from(format!("{position}{}", error.message()));
            error.metadata = Some(self.metadata());
            error
        })?;
        let sections = DEFAULTS.parse().unwrap_or_default();
        if let Some(path) = find_misplaced_section(&table, &sections) {
            let mut error = figment::Error::from("expected a section with keys".to_owned());
            error.path = path;
            error.metadata = Some(self.metadata());
            return Err(error);
        }
        Serialized::defaults(table).data()
    }
}

/// Returns the line and the column of a byte offset, for an error message.
fn line_and_column(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

/// Returns the path of a section of `sections` that is no section in `table`. serde's derived code
/// would take an array for it, and its elements for the keys in the order of the code.
fn find_misplaced_section(table: &toml::Table, sections: &toml::Table) -> Option<Vec<String>> {
    sections.iter().find_map(|(name, section)| {
        let path = match (table.get(name)?, section) {
            (toml::Value::Table(inner), toml::Value::Table(section)) => {
                find_misplaced_section(inner, section)?
            }
            (_, toml::Value::Table(_)) => Vec::new(),
            _ => return None,
        };
        Some([vec![name.clone()], path].concat())
    })
}
