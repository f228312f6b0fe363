//! Requests and responses of the JSON dialect.

use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use crate::json;
use hyper::Method;
use serde_json::{Value, json};
use url::Url;

/// A token that no user has.
pub(super) const MADE_UP_TOKEN: &str = "matrix-rendezvous-doctor";

/// A write of `data` over what `token` names.
pub(super) fn put(url: &Url, token: &str, data: &str) -> ProbeRequest {
    let body = json!({"sequence_token": token, "data": data});
    ProbeRequest::new(Method::PUT, url).typed("application/json", &body.to_string())
}

/// Returns the JSON of a response, or `null`.
pub(super) fn parse(response: &ProbeResponse) -> Value {
    json::parse_value(&response.body).unwrap_or_default()
}

/// Returns the sequence token of a response.
pub(super) fn sequence_token(response: &ProbeResponse) -> Option<String> {
    parse(response)["sequence_token"]
        .as_str()
        .map(str::to_owned)
}
