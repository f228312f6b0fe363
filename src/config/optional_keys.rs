//! The keys without a default.

/// Keys that may be missing. An empty value of the environment or the command line counts as missing.
/// A test holds the list against `config/default.toml`. The keys of `[[auth.homeserver]]` are not in
/// it; [`is_optional`] knows them.
pub const OPTIONAL_KEYS: [&str; 24] = [
    "auth.homeserver_url",
    "auth.ca_file",
    "auth.introspection.endpoint",
    "auth.introspection.client_id",
    "auth.introspection.client_secret",
    "auth.introspection.client_secret_file",
    "http.tls_cert_file",
    "http.tls_key_file",
    "http.public_base_url",
    "http.readiness_path",
    "admin.token_file",
    "store.redis.url",
    "store.redis.url_file",
    "store.redis.password_file",
    "store.redis.sentinel_password_file",
    "store.redis.max_waiting",
    "store.redis.ca_file",
    "store.redis.cert_file",
    "store.redis.key_file",
    "telemetry.replica",
    "telemetry.traces.endpoint",
    "telemetry.traces.ca_file",
    "telemetry.metrics.endpoint",
    "telemetry.metrics.ca_file",
];

/// Returns whether a key may be missing. An entry of `[[auth.homeserver]]` has a mode, and the keys of
/// `[auth]` and `[http]`.
#[must_use]
pub fn is_optional(key: &str) -> bool {
    let in_entry = key.strip_prefix("auth.homeserver.");
    match in_entry.and_then(|rest| rest.split_once('.')) {
        Some((_, "mode" | "public_base_url")) => true,
        Some((_, entry_key)) => OPTIONAL_KEYS.contains(&&*format!("auth.{entry_key}")),
        None => OPTIONAL_KEYS.contains(&key),
    }
}
