//! The JSON object of a request: its known fields, and the Matrix error of each mistake. `write`
//! writes the one long string of a response.

mod write;

pub use write::write_string;

use crate::http::error::ApiError;
use crate::json::{JsonError, JsonValue, parse_object};
use crate::model::{Payload, PayloadTooLarge};

/// The known fields of a request, each as it was found.
#[derive(Debug)]
pub struct RequestFields<'a> {
    data: JsonValue<'a>,
    sequence_token: JsonValue<'a>,
}

impl<'a> RequestFields<'a> {
    /// Parses a body, which has at most 32 KiB.
    ///
    /// # Errors
    /// `NotJson` or `BadJson`.
    pub fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let [data, sequence_token] = parse_object(body, ["data", "sequence_token"])?;
        Ok(Self {
            data,
            sequence_token,
        })
    }

    /// The payload.
    ///
    /// # Errors
    /// `MissingParam`, `InvalidParam`, or `PayloadTooLarge`.
    pub fn data(&self) -> Result<Payload, ApiError> {
        match &self.data {
            JsonValue::Missing => Err(ApiError::MissingParam("data is missing")),
            JsonValue::Text(text) => {
                Payload::new(text).map_err(|PayloadTooLarge| ApiError::PayloadTooLarge)
            }
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Other => {
                Err(ApiError::InvalidParam("data is not a string"))
            }
        }
    }

    /// The token of a write: any text (R1.18).
    ///
    /// # Errors
    /// `MissingParam` or `InvalidParam`.
    pub fn sequence_token(&self) -> Result<&str, ApiError> {
        match &self.sequence_token {
            JsonValue::Missing => Err(ApiError::MissingParam("sequence_token is missing")),
            JsonValue::Text(text) => Ok(text),
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Other => {
                Err(ApiError::InvalidParam("sequence_token is not a string"))
            }
        }
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::NotJson => Self::NotJson,
            JsonError::NotAnObject => Self::BadJson("The body is not a JSON object"),
            JsonError::DuplicateKey => Self::BadJson("Duplicate key in object"),
        }
    }
}
