//! The rules of the JSON dialect, by one session from creation to deletion.

use crate::doctor::conformance::trial::{Trial, is_error, rule};
use crate::doctor::diagnosis::{describe, matrix_error};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use crate::doctor::json_request::{self, parse, put};
use crate::doctor::target::join;
use crate::http::route::MSC4388_UNSTABLE_PREFIX;
use hyper::Method;
use hyper::header::AUTHORIZATION;
use serde_json::json;
use url::Url;

const CONFLICT: &str = "IO_ELEMENT_MSC4388_CONCURRENT_WRITE";

/// The longest payload, in bytes (R1.37).
const MAX_PAYLOAD: usize = 4096;

/// Tries every rule. Returns the prefix that was tried, and why the rules after some point were not.
pub(super) async fn try_all(
    trial: &mut Trial<'_>,
    base: &Url,
    token: Option<&str>,
) -> (Url, Result<(), String>) {
    let prefix = join(base, MSC4388_UNSTABLE_PREFIX);
    let ended = try_rules(trial, &prefix, token).await;
    trial.judge_every_response();
    (prefix, ended)
}

async fn try_rules(trial: &mut Trial<'_>, prefix: &Url, token: Option<&str>) -> Result<(), String> {
    try_discovery(trial, prefix).await?;
    let session = create(trial, prefix, token).await?;
    try_reads(trial, &session).await?;
    try_writes(trial, &session).await?;
    try_transactions(trial, &session.url).await?;
    try_bad_requests(trial, &session.url).await?;
    try_end(trial, &session.url).await
}

/// The session of the trial.
struct TriedSession {
    url: Url,
    /// The sequence token of its creation.
    token: String,
}

/// Discovery without an access token.
async fn try_discovery(trial: &mut Trial<'_>, prefix: &Url) -> Result<(), String> {
    let response = trial.send(ProbeRequest::get(prefix)).await?;
    let is_bool = parse(&response)["create_available"].is_boolean();
    let is_rejected =
        matrix_error(&response).is_some_and(|(errcode, _)| errcode == "M_MISSING_TOKEN");
    if !is_bool && !is_rejected {
        return Err(format!("not served: GET {}", describe(&response)));
    }
    trial.judge(
        rule(
            "R1.41",
            "discovery without an access token: 200 with create_available",
        )
        .known("R4.7"),
        &response,
        response.status == 200 && is_bool,
    );
    Ok(())
}

async fn create(
    trial: &mut Trial<'_>,
    prefix: &Url,
    token: Option<&str>,
) -> Result<TriedSession, String> {
    let body = json!({"data": "one", "unknown": 1}).to_string();
    let mut call = ProbeRequest::new(Method::POST, prefix).typed("application/json", &body);
    if let Some(token) = token {
        call = call.header(AUTHORIZATION, &format!("Bearer {token}"));
    }
    let response = trial.send(call).await?;
    let value = parse(&response);
    let (id, sequence_token) = (value["id"].as_str(), value["sequence_token"].as_str());
    let (Some(id), Some(sequence_token)) = (id, sequence_token) else {
        let hint = match token {
            None if [401, 403].contains(&response.status.as_u16()) => " (--token-file)",
            _ => "",
        };
        return Err(format!("no session: POST {}{hint}", describe(&response)));
    };
    trial.judge(
        rule(
            "R1.5",
            "POST: 200 with id, sequence_token and expires_in_ms",
        ),
        &response,
        response.status == 200 && value["expires_in_ms"].is_u64(),
    );
    trial.judge(
        rule("R0.21", "a session id has at least 20 characters"),
        &response,
        id.len() >= 20,
    );
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    trial.judge(
        rule(
            "R1.14",
            "a sequence token is base64url, at most 255 bytes long",
        ),
        &response,
        sequence_token.len() <= 255 && sequence_token.bytes().all(is_base64url),
    );
    Ok(TriedSession {
        url: join(prefix, &format!("/{id}")),
        token: sequence_token.to_owned(),
    })
}

async fn try_reads(trial: &mut Trial<'_>, session: &TriedSession) -> Result<(), String> {
    let read = trial.send(ProbeRequest::get(&session.url)).await?;
    let value = parse(&read);
    trial.judge(
        rule(
            "R1.6",
            "GET: 200 with data, sequence_token and expires_in_ms",
        ),
        &read,
        read.status == 200 && value["data"] == "one" && value["expires_in_ms"].is_u64(),
    );
    trial.judge(
        rule("R1.13", "GET: the sequence token of the creation"),
        &read,
        value["sequence_token"] == session.token.as_str(),
    );
    Ok(())
}

async fn try_writes(trial: &mut Trial<'_>, session: &TriedSession) -> Result<(), String> {
    let url = &session.url;
    let first = &session.token;
    let same = trial.send(put(url, first, "one")).await?;
    let second = sequence_token(&same);
    trial.judge(
        rule(
            "R1.15",
            "a write changes the token, even if the data is equal",
        )
        .known("R4.6"),
        &same,
        same.status == 200 && !second.is_empty() && second != *first,
    );
    let equal = trial.send(put(url, first, "one")).await?;
    trial.judge(
        rule(
            "R1.20",
            "PUT with an old token and the current data: 200 with the current token",
        ),
        &equal,
        equal.status == 200 && sequence_token(&equal) == second,
    );
    let two = trial.send(put(url, &second, "two")).await?;
    let third = sequence_token(&two);
    trial.judge(
        rule("R1.19", "PUT with the current token: 200 with a new one"),
        &two,
        two.status == 200 && !third.is_empty() && third != second,
    );
    trial.send(put(url, &third, "three")).await?;
    let retry = trial.send(put(url, &second, "two")).await?;
    trial.judge(
        rule(
            "R1.21",
            "the retry of a write before the last one: 200 with its token",
        )
        .known("R4.5"),
        &retry,
        retry.status == 200 && sequence_token(&retry) == third,
    );
    let stale = trial.send(put(url, first, "other")).await?;
    trial.judge(
        rule("R1.22", "PUT with an old token: 409 with the conflict code"),
        &stale,
        is_error(&stale, 409, CONFLICT),
    );
    Ok(())
}

/// Writes with a txnId, by the newest text.
async fn try_transactions(trial: &mut Trial<'_>, url: &Url) -> Result<(), String> {
    let read = trial.send(ProbeRequest::get(url)).await?;
    let current = sequence_token(&read);
    let transaction = join(url, "/doctor1");
    let first = trial.send(put(&transaction, &current, "four")).await?;
    let is_applied = first.status == 200;
    trial.judge(
        rule("R1.8", "PUT with a txnId: 200").known("R4.4"),
        &first,
        is_applied,
    );
    if is_applied {
        let replay = trial.send(put(&transaction, &current, "another")).await?;
        trial.judge(
            rule("R1.25", "PUT with a known txnId: the recorded response"),
            &replay,
            replay.status == first.status && replay.body == first.body,
        );
    }
    Ok(())
}

async fn try_bad_requests(trial: &mut Trial<'_>, url: &Url) -> Result<(), String> {
    let long = json!({"sequence_token": "x", "data": "x".repeat(MAX_PAYLOAD + 1)}).to_string();
    for (name, expected, body, status, errcode) in [
        (
            "R1.31",
            "a body that is not JSON: 400 M_NOT_JSON",
            "{",
            400,
            "M_NOT_JSON",
        ),
        (
            "R1.32",
            "a body that is no object: 400 M_BAD_JSON",
            "[\"x\"]",
            400,
            "M_BAD_JSON",
        ),
        (
            "R1.33",
            "a body with duplicate keys: 400 M_BAD_JSON",
            "{\"data\": \"x\", \"data\": \"y\", \"sequence_token\": \"z\"}",
            400,
            "M_BAD_JSON",
        ),
        (
            "R1.35",
            "a body without data: 400 M_MISSING_PARAM",
            "{\"sequence_token\": \"x\"}",
            400,
            "M_MISSING_PARAM",
        ),
        (
            "R1.36",
            "data that is no string: 400 M_INVALID_PARAM",
            "{\"sequence_token\": \"x\", \"data\": null}",
            400,
            "M_INVALID_PARAM",
        ),
        (
            "R1.37",
            "data of 4,097 bytes: 413 M_TOO_LARGE",
            &long,
            413,
            "M_TOO_LARGE",
        ),
    ] {
        let call = ProbeRequest::new(Method::PUT, url).typed("application/json", body);
        let response = trial.send(call).await?;
        let is_kept = is_error(&response, status, errcode);
        trial.judge(rule(name, expected).known("R4.8"), &response, is_kept);
    }
    Ok(())
}

async fn try_end(trial: &mut Trial<'_>, url: &Url) -> Result<(), String> {
    let deleted = trial.send(ProbeRequest::new(Method::DELETE, url)).await?;
    trial.judge(
        rule("R1.9", "DELETE: 200 with an empty object"),
        &deleted,
        deleted.status == 200 && parse(&deleted) == json!({}),
    );
    let gone = trial.send(ProbeRequest::get(url)).await?;
    trial.judge(
        rule("R0.7", "a session that does not exist: 404 M_NOT_FOUND"),
        &gone,
        is_error(&gone, 404, "M_NOT_FOUND"),
    );
    Ok(())
}

/// Returns the sequence token of a response, or nothing.
fn sequence_token(response: &ProbeResponse) -> String {
    json_request::sequence_token(response).unwrap_or_default()
}
