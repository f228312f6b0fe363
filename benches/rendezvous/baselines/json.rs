//! The JSON of the baselines with sessions: the dialect's bodies without its rules.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

/// The body of a create or a write.
#[derive(Deserialize)]
pub struct Input {
    pub data: String,
    #[serde(default)]
    pub sequence_token: String,
}

/// Reads the whole body, of any length.
pub async fn read_input(body: Incoming) -> Option<Input> {
    serde_json::from_slice(&body.collect().await.ok()?.to_bytes()).ok()
}

/// The reply to a create. A token is a counter of 24 digits, the length of a real token.
pub fn created(id: &str, writes: u64, left: i64) -> String {
    format!(r#"{{"id":"{id}","sequence_token":"{writes:024}","expires_in_ms":{left}}}"#)
}

/// The reply to a poll. Only the payload may need escapes.
pub fn found(data: &str, writes: u64, left: i64) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!(r#"{{"data":{data},"sequence_token":"{writes:024}","expires_in_ms":{left}}}"#)
}

/// The reply to a write.
pub fn written(writes: u64) -> String {
    format!(r#"{{"sequence_token":"{writes:024}"}}"#)
}
