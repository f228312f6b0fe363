//! Parses a JSON object that comes from outside, and distinguishes every kind of error.
//!
//! By hand, because serde's derived code accepts an array for a struct, and cannot distinguish a
//! missing member from one of the wrong type. The whole text is parsed before any error is reported:
//! a text that is not JSON is [`JsonError::NotJson`], whatever else is wrong with it. No other module
//! parses JSON.

mod surrogate;
mod value;

use crate::json::surrogate::has_lone_surrogate;
use crate::json::value::Text;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
pub use value::JsonValue;

/// Why a text is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON (RFC 8259), or has bytes after it.
    #[error("not JSON")]
    NotJson,
    /// The text is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The object has a key twice. RFC 8259 §4 leaves open which value counts, so none does.
    #[error("the JSON object has a duplicate key")]
    DuplicateKey,
}

/// Parses a document of any shape, for readers that look for a few of many members.
///
/// The caller limits the length of `body`. Of a duplicate key, the last value counts.
///
/// # Errors
/// [`JsonError::NotJson`] if the text is not JSON.
pub fn parse_value(body: &[u8]) -> Result<serde_json::Value, JsonError> {
    serde_json::from_slice(body).map_err(|_| JsonError::NotJson)
}

/// Parses an object and returns the members with these names, in their order. Other members are
/// skipped, and nested values of any depth with them.
///
/// The caller limits the length of `body`. It also bounds the memory that the keys take.
///
/// # Errors
/// [`JsonError`] if the text is not one JSON object with unique keys. Keys of nested objects may
/// repeat.
pub fn parse_object<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> Result<[JsonValue<'a>; N], JsonError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonError::NotJson)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = DocumentSeed(&names).deserialize(&mut deserializer);
    let document = match parsed.and_then(|document| deserializer.end().map(|()| document)) {
        Ok(document) => document,
        Err(_) => classify_rejected(text).ok_or(JsonError::NotJson)?,
    };
    match document {
        Document::OnlyTexts(members) => Ok(members),
        // serde_json does not check the strings that it skips.
        _ if has_lone_surrogate(text) => Err(JsonError::NotJson),
        Document::WithOtherValues(members) => Ok(members),
        Document::DuplicateKey => Err(JsonError::DuplicateKey),
        Document::NotAnObject => Err(JsonError::NotAnObject),
    }
}

/// Classifies a text that [`DocumentSeed`] rejects. Returns `None` if it is not JSON. Otherwise it is
/// not an object, or one of the named members is a number that no float can hold, which is valid JSON
/// nevertheless (RFC 8259 §6).
fn classify_rejected<'a, const N: usize>(text: &str) -> Option<Document<'a, N>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let is_object = text.trim_ascii_start().starts_with('{');
    Some(if is_object {
        Document::WithOtherValues(std::array::from_fn(|_| JsonValue::Other))
    } else {
        Document::NotAnObject
    })
}

enum Document<'a, const N: usize> {
    /// An object that contains only texts in named members.
    OnlyTexts([JsonValue<'a>; N]),
    /// An object in which something was skipped.
    WithOtherValues([JsonValue<'a>; N]),
    /// An object with a duplicate key.
    DuplicateKey,
    /// Not an object.
    NotAnObject,
}

/// The names of the members to keep.
struct DocumentSeed<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for DocumentSeed<'_, N> {
    type Value = Document<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for DocumentSeed<'_, N> {
    type Value = Document<'de, N>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: [JsonValue<'de>; N] = std::array::from_fn(|_| JsonValue::Missing);
        let mut unknown = BTreeSet::new();
        let (mut duplicate, mut skipped) = (false, false);
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let position = self.0.iter().position(|name| *name == key);
            let Some(member) = position.and_then(|position| members.get_mut(position)) else {
                map.next_value::<IgnoredAny>()?;
                duplicate |= !unknown.insert(key);
                continue;
            };
            duplicate |= !matches!(member, JsonValue::Missing);
            *member = map.next_value()?;
            skipped |= matches!(member, JsonValue::Other);
        }
        Ok(if duplicate {
            Document::DuplicateKey
        } else if skipped || !unknown.is_empty() {
            Document::WithOtherValues(members)
        } else {
            Document::OnlyTexts(members)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonError, JsonValue, parse_object};

    fn parsed(text: &str) -> Result<[JsonValue<'_>; 2], JsonError> {
        parse_object(text.as_bytes(), ["a", "b"])
    }

    #[test]
    fn named_members_are_returned_in_order() {
        let text = |text: &'static str| JsonValue::Text(text.into());
        for (body, expected) in [
            ("{}", [JsonValue::Missing, JsonValue::Missing]),
            (r#" {"b":"","c":[{}],"a":"x\n"} "#, [text("x\n"), text("")]),
            (
                r#"{"a":null,"b":true}"#,
                [JsonValue::Null, JsonValue::Bool(true)],
            ),
            (
                r#"{"a":-7,"b":1.5e3}"#,
                [JsonValue::Number(-7.0), JsonValue::Number(1500.0)],
            ),
            (
                r#"{"a":["x"],"b":{"a":1,"a":2}}"#,
                [JsonValue::Other, JsonValue::Other],
            ),
            (
                r#"{"a":1e400,"b":"x"}"#,
                [JsonValue::Other, JsonValue::Other],
            ),
            (" \n\t{\"a\":1e400}", [JsonValue::Other, JsonValue::Other]),
            (r#"{"c":1e400,"b":"x"}"#, [JsonValue::Missing, text("x")]),
            (r#"{"a":["x"],"b":"y"}"#, [JsonValue::Other, text("y")]),
            (r#"{"a":{"x":1},"b":"y"}"#, [JsonValue::Other, text("y")]),
            (
                r#"{"a":18446744073709551615,"b":0}"#,
                [
                    JsonValue::Number(1.844_674_407_370_955_2e19),
                    JsonValue::Number(0.0),
                ],
            ),
        ] {
            assert_eq!(parsed(body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn only_one_object_with_unique_keys_is_accepted() {
        for (body, expected) in [
            ("", JsonError::NotJson),
            ("{", JsonError::NotJson),
            ("{} {}", JsonError::NotJson),
            ("{}x", JsonError::NotJson),
            (r#"{"a":1,}"#, JsonError::NotJson),
            (r#"{"c":"\ud800"}"#, JsonError::NotJson),
            (r#"{"a":["\ud800"]}"#, JsonError::NotJson),
            (r#"{"a":["\ud800"],"b":"x"}"#, JsonError::NotJson),
            (r#"{"a":"x","a":"\ud800"}"#, JsonError::NotJson),
            (r#"{"c":1,"c":"\ud800"}"#, JsonError::NotJson),
            (r#"["\ud800"]"#, JsonError::NotJson),
            (r#""\ud800""#, JsonError::NotJson),
            ("[1,]", JsonError::NotJson),
            ("[1] 2", JsonError::NotJson),
            ("{a:1}", JsonError::NotJson),
            ("[]", JsonError::NotAnObject),
            (r#"["x","y"]"#, JsonError::NotAnObject),
            (r#""a""#, JsonError::NotAnObject),
            ("null", JsonError::NotAnObject),
            ("true", JsonError::NotAnObject),
            (" 1 ", JsonError::NotAnObject),
            ("-1", JsonError::NotAnObject),
            ("1.5", JsonError::NotAnObject),
            ("1e400", JsonError::NotAnObject),
            (r#"{"a":"x","a":"x"}"#, JsonError::DuplicateKey),
            (r#"{"a":null,"\u0061":1}"#, JsonError::DuplicateKey),
            (r#"{"c":1,"c":1}"#, JsonError::DuplicateKey),
            (
                r#"{"a":"x","a":"x","b":"y","c":1}"#,
                JsonError::DuplicateKey,
            ),
            (r#"{"c":1,"c":1,"d":1,"a":"x"}"#, JsonError::DuplicateKey),
        ] {
            assert_eq!(parsed(body), Err(expected), "{body}");
        }
        assert_eq!(
            parse_object(b"{\"a\":\"\xff\"}", ["a"]),
            Err(JsonError::NotJson)
        );
    }

    /// A response has at most 64 KiB, so at most this depth. Skipping is iterative.
    #[test]
    fn deep_nesting_neither_overflows_nor_hides_members() {
        let depth = 32 * 1024;
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!(r#"{{"c":{nested},"a":"x"}}"#);
        assert_eq!(
            parsed(&body).map(|[a, _]| a),
            Ok(JsonValue::Text("x".into()))
        );
        let body = format!(r#"{{"a":{nested}}}"#);
        assert_eq!(parsed(&body).map(|[a, _]| a), Ok(JsonValue::Other));
        assert_eq!(parsed(&nested), Err(JsonError::NotAnObject));
    }
}
