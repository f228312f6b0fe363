//! Names the sender of an unexpected response, and what to do about it.

use crate::doctor::check::{Problem, fail};
use crate::doctor::exchange::{ProbeError, ProbeResponse};
use crate::json;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, SERVER};

/// Upper bound of a quoted title or message, in characters.
const MAX_QUOTE: usize = 100;

/// Returns the content type of a response, without its parameters.
pub(super) fn media_type(response: &ProbeResponse) -> &str {
    let value = response.headers.get(CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Returns the Matrix error of a response: its errcode and its message.
pub(super) fn matrix_error(response: &ProbeResponse) -> Option<(String, String)> {
    let value = json::parse_value(&response.body).ok()?;
    let errcode = value.get("errcode")?.as_str()?.to_owned();
    let message = value.get("error").and_then(|error| error.as_str());
    Some((errcode, message.unwrap_or_default().to_owned()))
}

/// Describes a response in a few words: status, type, and the words of the sender.
pub(super) fn describe(response: &ProbeResponse) -> String {
    let status = response.status.as_u16();
    let sender = match response
        .headers
        .get(SERVER)
        .and_then(|value| value.to_str().ok())
    {
        _ if response.is_ours => " from matrix-rendezvous".to_owned(),
        Some(server) => format!(" from \"{}\"", quote(server)),
        None => String::new(),
    };
    if let Some((errcode, message)) = matrix_error(response) {
        return format!("{status} {errcode} \"{}\"{sender}", quote(&message));
    }
    match (media_type(response), title(response)) {
        ("", _) => format!("{status} without a content type{sender}"),
        ("text/html", Some(title)) => {
            format!("{status}, a web page \"{}\"{sender}", quote(&title))
        }
        (media_type, _) => format!("{status} {}{sender}", quote(media_type)),
    }
}

/// Returns the failure of a request that got no response. `why` says what that means for a sign-in.
pub(super) fn unreachable(error: &ProbeError, why: &str) -> Problem {
    fail(error.to_string(), why, error.action())
}

/// Returns the failure of a response that is not what `request` expected.
pub(super) fn unexpected(
    request: &str,
    response: &ProbeResponse,
    expected: &str,
    why: &str,
) -> Problem {
    let what = format!("{request}: {}; expected {expected}", describe(response));
    fail(what, why, action(response))
}

/// Returns what to do about an unexpected response, by its sender and its status.
fn action(response: &ProbeResponse) -> &'static str {
    let is_page = media_type(response) == "text/html";
    match (response.status, response.is_ours) {
        (StatusCode::TOO_MANY_REQUESTS, true) => {
            "set http.trusted_proxies, so that clients are told apart, or wait: this address made too \
             many requests or has too many sessions (limits.*, session.max_live)"
        }
        (StatusCode::SERVICE_UNAVAILABLE, true) => {
            "look at /readyz?verbose on the admin port: Redis, the homeserver, or maintenance"
        }
        (StatusCode::NOT_FOUND, true) if errcode_is(response, "M_UNRECOGNIZED") => {
            "forward path and Host unchanged, set msc4108.enabled = true, and give every homeserver \
             its host"
        }
        (StatusCode::FORBIDDEN, true) => {
            "take this address off limits.deny, or use the doctor from the network of the clients"
        }
        (_, true) => "look at the log of matrix-rendezvous: reason and request_id name the cause",
        (StatusCode::TOO_MANY_REQUESTS, false) => {
            "exempt these paths from the proxy's rate limit: a sign-in polls once a second"
        }
        (StatusCode::FORBIDDEN, false) => {
            "exempt these paths from the firewall (WAF) or bot protection in front"
        }
        (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE, false) => {
            "start matrix-rendezvous, and check the proxy's upstream and its health check: it finds \
             no worker"
        }
        (StatusCode::PAYLOAD_TOO_LARGE, false) => {
            "let the proxy accept bodies of 32 KiB for these paths (nginx client_max_body_size)"
        }
        (status, false)
            if status == StatusCode::INTERNAL_SERVER_ERROR || status.as_u16() >= 520 =>
        {
            "look at the log of the proxy or CDN: it failed before it reached matrix-rendezvous"
        }
        (StatusCode::GATEWAY_TIMEOUT, false) => {
            "raise the proxy's response timeout for these paths to 30 s"
        }
        _ if is_page => {
            "forward these paths to matrix-rendezvous: another rule or virtual host answers first"
        }
        _ => "forward these paths to matrix-rendezvous, and its responses unchanged",
    }
}

/// Returns the failure of a response that an earlier request of this run already got.
pub(super) fn cached(response: &ProbeResponse) -> Problem {
    fail(
        format!(
            "{}: the response is that of an earlier request (X-Rendezvous-Probe)",
            response.url
        ),
        "a cache answers: both devices wait for messages that were sent",
        CACHE,
    )
}

/// What to do about a cache.
pub(super) const CACHE: &str = "exempt these paths from every cache: a CDN's \"cache everything\", \
                                proxy_cache, proxy_ignore_headers";

fn errcode_is(response: &ProbeResponse, expected: &str) -> bool {
    matrix_error(response).is_some_and(|(errcode, _)| errcode == expected)
}

/// Returns the title of a web page.
fn title(response: &ProbeResponse) -> Option<String> {
    let text = String::from_utf8_lossy(&response.body);
    let (_, rest) = text.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(title.trim().to_owned())
}

/// Shortens a text of another party.
pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTE).collect();
    if short.len() < text.len() {
        return format!("{short}…");
    }
    short
}
