//! Names the sender of an unexpected response, and what to do about it.

use crate::doctor::check::{Problem, fail};
use crate::doctor::exchange::{ProbeError, ProbeResponse};
use crate::http::request_id::X_REQUEST_ID;
use crate::json;
use hyper::StatusCode;
use hyper::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName, SERVER, VIA};

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

/// Names the sender of a response, as far as it is known, with a space before it.
pub(super) fn sender(response: &ProbeResponse) -> String {
    let server = response.headers.get(SERVER);
    match server.and_then(|value| value.to_str().ok()) {
        _ if response.is_ours => " from matrix-rendezvous".to_owned(),
        Some(server) => format!(" from \"{}\"", quote(server)),
        None => String::new(),
    }
}

/// Describes a response in a few words: status, type, and the words of the sender.
pub(super) fn describe(response: &ProbeResponse) -> String {
    let status = response.status.as_u16();
    let sender = sender(response);
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

/// Returns the failure of a request that got no response. `why` is what that means for a sign-in.
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

/// Returns what to do about an unexpected response, by its sender, its status and its path.
fn action(response: &ProbeResponse) -> String {
    if response.is_ours {
        return action_of_service(response);
    }
    let is_of_sign_in = response.url.path().contains("/rendezvous");
    let is_page = media_type(response) == "text/html";
    let text = match response.status {
        status if !is_of_sign_in && status.is_server_error() => {
            "look at the log of the server that this path is for, and of its proxy"
        }
        _ if !is_of_sign_in => {
            "let the proxy forward this path to the server that it is for: another rule, another \
             virtual host or nothing answers"
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "exempt these paths from the proxy's rate limit: a sign-in polls once a second"
        }
        StatusCode::FORBIDDEN => {
            "let the proxy, its firewall (WAF) and bot protection allow every method on these paths: GET, \
             POST, PUT, DELETE, OPTIONS"
        }
        StatusCode::BAD_REQUEST if media_type(response).is_empty() => {
            "let the proxy speak plain HTTP/1.1 to http.listen, without TLS and PROXY protocol \
             (http.proxy_protocol): the log of matrix-rendezvous names the reason"
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
            "start matrix-rendezvous, and check the proxy's upstream and its health check: it finds \
             no worker"
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            "let the proxy accept bodies of 32 KiB for these paths (nginx client_max_body_size)"
        }
        status if status == StatusCode::INTERNAL_SERVER_ERROR || status.as_u16() >= 520 => {
            "look at the log of the proxy or CDN: it failed before it reached matrix-rendezvous"
        }
        StatusCode::GATEWAY_TIMEOUT => "raise the proxy's response timeout for these paths to 30 s",
        _ if is_page => {
            "forward these paths to matrix-rendezvous: another rule or virtual host answers first"
        }
        _ => "forward these paths to matrix-rendezvous, and its responses unchanged",
    };
    text.to_owned()
}

/// Returns what to do about an unexpected response of matrix-rendezvous itself.
fn action_of_service(response: &ProbeResponse) -> String {
    let text = match response.status {
        StatusCode::TOO_MANY_REQUESTS => {
            "set http.trusted_proxies, so that clients are told apart, or wait: this address made too \
             many requests or has too many sessions (limits.*, session.max_live)"
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            "run matrix-rendezvous doctor --config FILE where a worker runs: it names what is wrong \
             with Redis or the token check; or end maintenance"
        }
        StatusCode::NOT_FOUND if errcode_is(response, "M_UNRECOGNIZED") => {
            "forward path and Host unchanged, set msc4108.enabled = true, and give every homeserver \
             its host"
        }
        StatusCode::FORBIDDEN => {
            "take this address off limits.deny, or use the doctor from the network of the clients"
        }
        _ => {
            let id = response.headers.get(X_REQUEST_ID);
            let id = id.and_then(|id| id.to_str().ok()).map(quote);
            return format!(
                "look for request_id {} in the log of matrix-rendezvous: reason names the cause",
                id.as_deref().unwrap_or("(the response has none)")
            );
        }
    };
    text.to_owned()
}

/// Returns the failure of a response to another request.
pub(super) fn cached(response: &ProbeResponse) -> Problem {
    let shown = [
        &SERVER,
        &VIA,
        &AGE,
        &X_CACHE,
        &CF_CACHE_STATUS,
        &CACHE_CONTROL,
    ];
    let shown = shown.into_iter().filter_map(|name| {
        let value = response.headers.get(name)?.to_str().ok()?;
        Some(format!("{name}: {}", quote(value)))
    });
    let shown: Vec<_> = shown.collect();
    let shown = match shown.as_slice() {
        [] => String::new(),
        shown => format!("; it has {}", shown.join(", ")),
    };
    fail(
        format!(
            "{}: this response was given to another request (X-Rendezvous-Probe){shown}",
            response.url
        ),
        "a cache answers: both devices wait for messages that were sent",
        CACHE,
    )
}

/// What to do about a proxy that replaces error responses.
pub(super) const FORWARD_ERRORS: &str = "let the proxy forward error responses of these paths: \
                                         proxy_intercept_errors off (nginx), ProxyErrorOverride Off \
                                         (Apache), no http-response return (haproxy), no \
                                         handle_response (Caddy)";

/// What to do about a cache.
pub(super) const CACHE: &str = "turn caches off for these paths: a CDN's \"cache everything\"; nginx \
                                proxy_cache off, and no proxy_ignore_headers; Apache CacheDisable";

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const CF_CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");

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
