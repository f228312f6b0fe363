//! The values that each key of the configuration file takes, as a schema.

use crate::config::http::readiness_path::MAX_PATH_LEN;
use crate::config::http::{MAX_CONNECTION_LIMIT, MAX_FIELD_NAME};
use crate::config::limits::{MAX_KEYS, RATE_RANGE};
use crate::config::listen::MAX_ADDRESSES;
use crate::config::session::{MAX_LIVE, MAX_TXN_IDS, WRITES_RANGE};
use crate::config::store::{Check, MAX_REPLICAS};
use crate::model::{Limit, ShadowRule};
use serde_json::{Value, json};

/// The one section that is a list of sections.
pub(super) const LIST_OF_SECTIONS: &str = "auth.homeserver";

/// An IPv4 address.
const IPV4: &str = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}";

/// The characters of an IPv6 address.
const IPV6: &str = r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(:[0-9.]+)?";

/// A port.
const PORT: &str =
    r"0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})";

/// A host name of which the last label is not only digits.
const HOST: &str =
    r"([A-Za-z0-9_][A-Za-z0-9_-]*\.)*([A-Za-z_][A-Za-z0-9_-]*|[0-9]+[A-Za-z_-][A-Za-z0-9_-]*)\.?";

/// The units of a duration.
const UNITS: &str = "nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|min|mins|m|\
                     hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y";

/// Returns what an editor shows for a section.
pub(super) fn section_description(section: &str) -> &'static str {
    match section {
        "auth" => "How access tokens are checked.",
        "auth.introspection" => {
            "The token verifier, instead of a homeserver: the introspection endpoint of an OAuth 2.0 server \
             (RFC 7662)."
        }
        LIST_OF_SECTIONS => {
            "Several homeservers in one deployment, selected by the Host of the request. Each entry has its own \
             base URL and token verifier, which must not be set in [auth] and [http] then."
        }
        "auth.homeserver.introspection" => "As [auth.introspection], for this homeserver.",
        "http" => "The listener for clients.",
        "admin" => "The listener for operators.",
        "api" => "The JSON dialect (MSC4388).",
        "msc4108" => "The ETag dialect of 2024, which today's clients use.",
        "msc4108.long_poll" => {
            "Short holds: right after a write, the read of the other device is held until the next write."
        }
        "session" => "Lifetime and bounds of sessions.",
        "store" => "Where sessions are kept.",
        "store.redis" => "The connection to Redis. Used if store.backend is \"redis\".",
        "limits" => "Rates, limits of live sessions, and deny lists. Reloaded at SIGHUP.",
        "limits.create" => "Rates of creations.",
        "limits.create.client" => "Rate of creations per client (an IPv4 address or an IPv6 /64).",
        "limits.create.network" => "Rate of creations per IPv6 /48.",
        "limits.create.user" => "Rate of creations per user, from any address.",
        "limits.requests" => "Rates of polls, writes and deletions.",
        "limits.requests.client" => "Rate of polls, writes and deletions per client.",
        "limits.requests.network" => "Rate of polls, writes and deletions per IPv6 /48.",
        "limits.requests.session" => "Rate of requests per session, from any client.",
        "limits.live" => "Upper bounds of live sessions, over all replicas.",
        "limits.deny" => "Addresses and CIDR ranges that get a 403.",
        "shutdown" => "The two phases of a shutdown.",
        "telemetry" => "Logs, traces, and the push of metrics.",
        "telemetry.traces" => "Traces by OTLP over HTTP.",
        "telemetry.metrics" => "Push of the metrics by OTLP over HTTP.",
        _ => "",
    }
}

/// Returns the values of a key, or `None` if the key is unknown.
pub(super) fn schema(key: &str) -> Option<Value> {
    if let Some(own) = key.strip_prefix("auth.homeserver.") {
        return match own {
            "host" => Some(list(&host_name(), 1, None)),
            "mode" => schema("mode"),
            "public_base_url" => Some(web_url()),
            _ => schema(&format!("auth.{own}")),
        };
    }
    Some(match key {
        "mode" => choice(["off", "authenticated", "open", "public"]),
        "maintenance"
        | "http.proxy_protocol"
        | "http.h2c"
        | "api.stable"
        | "msc4108.enabled"
        | "limits.enabled"
        | "telemetry.access_log"
        | "telemetry.log_polls"
        | "telemetry.log_users" => json!({ "type": "boolean" }),
        "auth.homeserver_url"
        | "auth.introspection.endpoint"
        | "http.public_base_url"
        | "telemetry.traces.endpoint"
        | "telemetry.metrics.endpoint" => web_url(),
        "auth.introspection.client_id" | "auth.introspection.client_secret" => {
            json!({ "type": "string", "minLength": 1 })
        }
        "auth.introspection.client_secret_file"
        | "auth.ca_file"
        | "http.tls_cert_file"
        | "http.tls_key_file"
        | "admin.token_file"
        | "store.redis.url_file"
        | "store.redis.password_file"
        | "store.redis.sentinel_password_file"
        | "store.redis.ca_file"
        | "store.redis.cert_file"
        | "store.redis.key_file"
        | "telemetry.traces.ca_file"
        | "telemetry.metrics.ca_file" => file(),
        "http.listen" | "admin.listen" => addresses(),
        "http.trusted_proxies" | "limits.deny.create" | "limits.deny.requests" => {
            list(&network(), 0, None)
        }
        "http.forwarded_header" => json!({
            "type": "string",
            "pattern": format!("^[A-Za-z0-9!#$%&'*+.^_`|~-]{{1,{MAX_FIELD_NAME}}}$"),
        }),
        "http.readiness_path" => json!({
            "type": "string",
            "pattern": format!("^/[A-Za-z0-9._~-][A-Za-z0-9/._~-]{{0,{}}}$", MAX_PATH_LEN - 2),
            "not": { "pattern": "^/_matrix(/|$)" },
            "examples": ["/readyz"],
        }),
        "http.max_connections" | "http.max_connections_per_client" | "store.redis.max_waiting" => {
            integer(1, MAX_CONNECTION_LIMIT as u64)
        }
        "msc4108.long_poll.max_waiting" => integer(0, MAX_CONNECTION_LIMIT as u64),
        "http.header_timeout"
        | "http.body_timeout"
        | "http.request_timeout"
        | "http.idle_timeout"
        | "msc4108.long_poll.window"
        | "msc4108.long_poll.timeout"
        | "session.ttl"
        | "store.redis.command_timeout"
        | "store.redis.retry_timeout"
        | "telemetry.metrics.interval"
        | "shutdown.grace"
        | "shutdown.drain" => duration(),
        "session.max_live" | "limits.live.client" | "limits.live.network" | "limits.live.user" => {
            integer(1, MAX_LIVE)
        }
        "session.max_writes" => integer(*WRITES_RANGE.start(), *WRITES_RANGE.end()),
        "session.max_txn_ids" => integer(1, MAX_TXN_IDS as u64),
        "store.backend" => choice(["memory", "redis"]),
        "store.redis.url" => redis_url(),
        "store.redis.prefix" => json!({ "type": "string", "pattern": "^[^{}]*$" }),
        "store.redis.wait_for_replicas" => integer(0, u64::from(MAX_REPLICAS)),
        "store.redis.ignore_checks" => list(&choice(Check::ALL.map(Check::name)), 0, None),
        "limits.max_keys" => integer(1, MAX_KEYS as u64),
        "limits.shadow" => {
            let rules = ShadowRule::ALL
                .iter()
                .filter(|rule| **rule != Limit::LiveTotal.into());
            list(&choice(rules.map(|rule| rule.label())), 0, None)
        }
        "limits.live.ipv4_24"
        | "limits.live.ipv4_16"
        | "limits.live.ipv6_40"
        | "limits.live.ipv6_32" => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })
        }
        "telemetry.log_level" => log_level(),
        "telemetry.log_format" => choice(["text", "json"]),
        "telemetry.replica" => json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,253}$" }),
        "telemetry.traces.sample" => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        _ => return rate(key),
    })
}

/// The two keys of a rate.
fn rate(key: &str) -> Option<Value> {
    let (minimum, maximum) = (RATE_RANGE.start(), RATE_RANGE.end());
    match key.rsplit('.').next() {
        Some("burst") => Some(integer(1, u64::from(u32::MAX))),
        Some("per_second") => {
            Some(json!({ "type": "number", "minimum": minimum, "maximum": maximum }))
        }
        _ => None,
    }
}

fn integer(minimum: u64, maximum: u64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum })
}

fn choice<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    let values: Vec<&str> = values.into_iter().collect();
    json!({ "enum": values })
}

fn list(items: &Value, min_items: usize, max_items: Option<usize>) -> Value {
    let mut list = json!({ "type": "array", "items": items });
    if min_items > 0 {
        list["minItems"] = json!(min_items);
    }
    if let Some(max_items) = max_items {
        list["maxItems"] = json!(max_items);
    }
    list
}

fn duration() -> Value {
    json!({
        "type": "string",
        "pattern": format!(r"^(0|\s*([0-9]+(\.[0-9]+)?\s*({UNITS})\s*)+)$"),
        "examples": ["300s", "5m", "800ms"],
    })
}

fn web_url() -> Value {
    json!({
        "type": "string",
        "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\]+(/[^?#]*)?$",
        "examples": ["https://matrix.example.org"],
    })
}

fn redis_url() -> Value {
    json!({
        "type": "string",
        "pattern": r"^((redis|valkey)s?(-sentinel|-cluster)?://[^\s]+|unix:///[^\s]+)$",
        "examples": ["redis://127.0.0.1:6379/0", "unix:///run/redis/redis.sock?db=0"],
    })
}

fn file() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn host_name() -> Value {
    json!({
        "type": "string",
        "pattern": r"^[^\s/?#@:\\]+$",
        "examples": ["matrix.example.org"],
    })
}

fn network() -> Value {
    json!({
        "type": "string",
        "pattern": format!(
            "^({IPV4}(/(3[0-2]|[12]?[0-9]))?|{IPV6}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$"
        ),
        "examples": ["10.0.0.0/8", "2001:db8::/32"],
    })
}

fn addresses() -> Value {
    let one = json!({
        "type": "string",
        "pattern": format!(
            "^(({IPV4}|\\[{IPV6}(%[0-9]+)?\\]|{HOST}|):{PORT}|unix:/[^?]*[^?/](\\?mode=0?[0-7]{{3}})?)$"
        ),
        "examples": ["127.0.0.1:8080", ":8080", "unix:/run/matrix-rendezvous/http.sock?mode=0660"],
    });
    json!({ "anyOf": [one, list(&one, 1, Some(MAX_ADDRESSES))] })
}

/// A level in any case, or filters such as `fred=debug` of which at least one word is a level.
fn log_level() -> Value {
    let any_case = |level: &str| -> String {
        let letters = level.chars();
        letters
            .flat_map(|letter| ['[', letter.to_ascii_uppercase(), letter, ']'])
            .collect()
    };
    let levels = ["off", "error", "warn", "info", "debug", "trace"]
        .map(any_case)
        .join("|");
    let (level, target) = (format!(r"\s*({levels}|[0-5])\s*"), "[^,=]*=[^,]*");
    json!({
        "type": "string",
        "pattern": format!("^({target},)*{level}(,({level}|{target}))*$"),
        "examples": ["info", "info,fred=debug"],
    })
}
