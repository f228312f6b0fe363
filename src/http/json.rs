//! Parses the JSON object of a request, and distinguishes every kind of error; `write` writes the
//! one long string of a response.
//!
//! By hand, because serde's derived code accepts an array for a struct, and cannot distinguish a
//! missing field from one of the wrong type. The whole body is parsed before any error is reported:
//! a body that is not JSON is `M_NOT_JSON`, whatever else is wrong with it.

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

/// The known fields of a request, each as it was found.
#[derive(Debug, Default)]
pub struct RequestFields<'a> {
    data: StringField<'a>,
    sequence_token: StringField<'a>,
}

#[derive(Debug, Default)]
enum StringField<'a> {
    #[default]
    Missing,
    NotAString,
    Text(Cow<'a, str>),
}

impl<'a> RequestFields<'a> {
    /// Parses a body.
    ///
    /// # Errors
    /// `NotJson` or `BadJson`.
    pub fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(body).map_err(|_| ApiError::NotJson)?;
        match serde_json::from_str(text).or_else(|error| parse_with_huge_number(text).ok_or(error))
        {
            Err(_) => Err(ApiError::NotJson),
            Ok(document) => Self::from_document(document, text),
        }
    }

    fn from_document(document: Document<'a>, text: &str) -> Result<Self, ApiError> {
        match document {
            Document::OnlyKnownFields(fields) => Ok(fields),
            // serde_json does not check the strings that it skips.
            _ if has_lone_surrogate(text) => Err(ApiError::NotJson),
            Document::WithSkippedValues(fields) => Ok(fields),
            Document::DuplicateKey => Err(ApiError::BadJson("Duplicate key in object")),
            Document::NotAnObject => Err(ApiError::BadJson("The body is not a JSON object")),
        }
    }

    /// The payload.
    ///
    /// # Errors
    /// `MissingParam`, `InvalidParam`, or `PayloadTooLarge`.
    pub fn data(&self) -> Result<Payload, ApiError> {
        match &self.data {
            StringField::Missing => Err(ApiError::MissingParam("data is missing")),
            StringField::NotAString => Err(ApiError::InvalidParam("data is not a string")),
            StringField::Text(text) => {
                Payload::new(text).map_err(|PayloadTooLarge| ApiError::PayloadTooLarge)
            }
        }
    }

    /// The token of a write: any text (R1.18).
    ///
    /// # Errors
    /// `MissingParam` or `InvalidParam`.
    pub fn sequence_token(&self) -> Result<&str, ApiError> {
        match &self.sequence_token {
            StringField::Missing => Err(ApiError::MissingParam("sequence_token is missing")),
            StringField::NotAString => {
                Err(ApiError::InvalidParam("sequence_token is not a string"))
            }
            StringField::Text(text) => Ok(text),
        }
    }
}

/// A number that no float can hold, which is valid JSON nevertheless (RFC 8259, 6), in the place of
/// a string or of an object.
fn parse_with_huge_number(text: &str) -> Option<Document<'_>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let fields = RequestFields {
        data: StringField::NotAString,
        sequence_token: StringField::NotAString,
    };
    let is_object = text.trim_ascii_start().starts_with('{');
    Some(if is_object {
        Document::WithSkippedValues(fields)
    } else {
        Document::NotAnObject
    })
}

enum Document<'a> {
    /// An object that contains only texts in known fields.
    OnlyKnownFields(RequestFields<'a>),
    /// An object in which something was skipped.
    WithSkippedValues(RequestFields<'a>),
    /// An object with a duplicate key.
    DuplicateKey,
    /// Not an object.
    NotAnObject,
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
        let mut fields = RequestFields::default();
        // The number of keys is bounded by the body limit of 32 KiB.
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
            duplicate |= !matches!(field, StringField::Missing);
            *field = map.next_value()?;
            skipped |= matches!(field, StringField::NotAString);
        }
        Ok(if duplicate {
            Document::DuplicateKey
        } else if skipped || !unknown.is_empty() {
            Document::WithSkippedValues(fields)
        } else {
            Document::OnlyKnownFields(fields)
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Document::NotAnObject)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Document::NotAnObject)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Document::NotAnObject)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Document::NotAnObject)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Document::NotAnObject)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Document::NotAnObject)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Document::NotAnObject)
    }
}

/// A string, borrowed from the body if it contains no escape.
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

impl<'de> Deserialize<'de> for StringField<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringFieldVisitor)
    }
}

struct StringFieldVisitor;

impl<'de> Visitor<'de> for StringFieldVisitor {
    type Value = StringField<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(StringField::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(StringField::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(StringField::NotAString)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(StringField::NotAString)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(StringField::NotAString)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(StringField::NotAString)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(StringField::NotAString)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(StringField::NotAString)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(StringField::NotAString)
    }
}
