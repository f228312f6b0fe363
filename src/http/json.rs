//! Reads the JSON object of a request, and tells apart every way in which it can be wrong; `write` writes
//! the one long string of a reply.
//!
//! By hand, since serde's derive takes an array for a struct, and cannot tell a missing field from
//! one of the wrong type. The whole body is read before anything is refused: a body that is not JSON
//! is `M_NOT_JSON`, whatever else is wrong with it.

mod surrogate;
mod write;

pub use write::write_string;

use crate::http::error::ApiError;
use crate::http::json::surrogate::has_lone_surrogate;
use crate::model::{Payload, PayloadTooLarge};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// The fields of a request that we know, each as it was found.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    data: Field<'a>,
    sequence_token: Field<'a>,
}

#[derive(Debug, Default)]
enum Field<'a> {
    #[default]
    Missing,
    NotAString,
    Text(Cow<'a, str>),
}

impl<'a> Fields<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// `NotJson` or `BadJson`.
    pub fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(body).map_err(|_| ApiError::NotJson)?;
        match serde_json::from_str(text).or_else(|error| skimmed(text).ok_or(error)) {
            Err(_) => Err(ApiError::NotJson),
            Ok(document) => Self::of(document, text),
        }
    }

    fn of(document: Document<'a>, text: &str) -> Result<Self, ApiError> {
        match document {
            Document::Known(fields) => Ok(fields),
            // serde_json does not look into the strings that it skips.
            _ if has_lone_surrogate(text) => Err(ApiError::NotJson),
            Document::Extended(fields) => Ok(fields),
            Document::Ambiguous => Err(ApiError::BadJson("A key stands twice in the object")),
            Document::Other => Err(ApiError::BadJson("The body is not a JSON object")),
        }
    }

    /// The payload.
    ///
    /// # Errors
    /// `MissingParam`, `InvalidParam`, or `PayloadTooLarge`.
    pub fn data(&self) -> Result<Payload, ApiError> {
        match &self.data {
            Field::Missing => Err(ApiError::MissingParam("data is missing")),
            Field::NotAString => Err(ApiError::InvalidParam("data is not a string")),
            Field::Text(text) => {
                Payload::new(text).map_err(|PayloadTooLarge| ApiError::PayloadTooLarge)
            }
        }
    }

    /// The token that a write names: any text.
    ///
    /// # Errors
    /// `MissingParam` or `InvalidParam`.
    pub fn sequence_token(&self) -> Result<&str, ApiError> {
        match &self.sequence_token {
            Field::Missing => Err(ApiError::MissingParam("sequence_token is missing")),
            Field::NotAString => Err(ApiError::InvalidParam("sequence_token is not a string")),
            Field::Text(text) => Ok(text),
        }
    }
}

/// A document with a number in it that no float holds, which is JSON all the same (RFC 8259 §6). Where
/// we read it, it stands in the place of a string or of an object.
fn skimmed(text: &str) -> Option<Document<'_>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let huge = Fields {
        data: Field::NotAString,
        sequence_token: Field::NotAString,
    };
    let is_object = text.trim_ascii_start().starts_with('{');
    Some(if is_object {
        Document::Extended(huge)
    } else {
        Document::Other
    })
}

enum Document<'a> {
    /// An object with texts in the fields that we know, and nothing else.
    Known(Fields<'a>),
    /// An object in which something was skipped.
    Extended(Fields<'a>),
    /// An object in which a key stands twice.
    Ambiguous,
    /// No object.
    Other,
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        // At most as many keys as fit a body of 32 KiB.
        let mut unknown = BTreeSet::new();
        let (mut duplicate, mut skipped) = (false, false);
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let field = match key.as_ref() {
                "data" => &mut fields.data,
                "sequence_token" => &mut fields.sequence_token,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    duplicate |= !unknown.insert(key);
                    continue;
                }
            };
            duplicate |= !matches!(field, Field::Missing);
            *field = map.next_value()?;
            skipped |= matches!(field, Field::NotAString);
        }
        Ok(if duplicate {
            Document::Ambiguous
        } else if skipped || !unknown.is_empty() {
            Document::Extended(fields)
        } else {
            Document::Known(fields)
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Document::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Document::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Document::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Document::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Document::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Document::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Document::Other)
    }
}

/// A string, borrowed from the body where it holds no escape.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::NotAString)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::NotAString)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::NotAString)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::NotAString)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Field::NotAString)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Field::NotAString)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Field::NotAString)
    }
}
