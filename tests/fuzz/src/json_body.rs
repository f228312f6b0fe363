//! Bodies of requests (R1.31 to R1.37), and the strings of responses. The input is a body.

use matrix_rendezvous::http::error::ApiError;
use matrix_rendezvous::http::json::{RequestFields, write_string};
use matrix_rendezvous::model::MAX_PAYLOAD_BYTES;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Compares the parser with `serde_json`, and parses what the writer writes.
///
/// # Panics
/// If they differ.
pub fn check(data: &[u8]) {
    check_parser(data);
    check_writer(&String::from_utf8_lossy(data));
}

fn check_parser(body: &[u8]) {
    let parsed = RequestFields::parse(body);
    if serde_json::from_slice::<IgnoredAny>(body).is_err() || std::str::from_utf8(body).is_err() {
        assert!(matches!(parsed, Err(ApiError::NotJson)), "{parsed:?}");
        return;
    }
    // `Value` rejects more than the grammar does: lone surrogates, huge numbers, deep nesting.
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let Ok(object) = serde_json::from_slice::<Object>(body) else {
        assert!(!value.is_object());
        assert!(matches!(parsed, Err(ApiError::BadJson(_))), "{parsed:?}");
        return;
    };
    if object.has_duplicates {
        assert!(matches!(parsed, Err(ApiError::BadJson(_))), "{parsed:?}");
        return;
    }
    let fields = parsed.expect("an object with unique keys");
    match (object.members.get("data"), fields.data()) {
        (None, Err(ApiError::MissingParam(_))) => {}
        (Some(Value::String(text)), Ok(payload)) => {
            assert!(text.len() <= MAX_PAYLOAD_BYTES);
            assert_eq!(payload.as_str(), text);
        }
        (Some(Value::String(text)), Err(ApiError::PayloadTooLarge)) => {
            assert!(text.len() > MAX_PAYLOAD_BYTES);
        }
        (Some(value), Err(ApiError::InvalidParam(_))) => assert!(!value.is_string()),
        (value, parsed) => panic!("{value:?}: {parsed:?}"),
    }
    match (
        object.members.get("sequence_token"),
        fields.sequence_token(),
    ) {
        (None, Err(ApiError::MissingParam(_))) => {}
        (Some(Value::String(text)), Ok(token)) => assert_eq!(token, text),
        (Some(value), Err(ApiError::InvalidParam(_))) => assert!(!value.is_string()),
        (value, parsed) => panic!("{value:?}: {parsed:?}"),
    }
}

fn check_writer(text: &str) {
    let mut body = br#"{"data":"#.to_vec();
    write_string(&mut body, text);
    body.push(b'}');
    // A control character becomes six bytes, `\u0001`. No character becomes more.
    assert!(body.len() <= 6 * text.len() + 11);
    let value: BTreeMap<String, String> = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(value["data"], text);
    let fields = RequestFields::parse(&body).expect("an object");
    match fields.data() {
        Ok(payload) => assert_eq!(payload.as_str(), text),
        Err(error) => assert!(matches!(error, ApiError::PayloadTooLarge), "{error:?}"),
    }
}

/// An object, with whether a key occurs twice in it.
#[derive(Default)]
struct Object {
    members: BTreeMap<String, Value>,
    has_duplicates: bool,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object::default())
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            self.has_duplicates |= self.members.insert(key, value).is_some();
        }
        Ok(self)
    }
}
