//! The first line of the log: what this process is, and what it was configured to do.
//!
//! An operator who reads a log finds here which build, which dialects and which Redis it is about.

use crate::config::homeserver::HomeserverConfig;
use crate::config::{Config, Mode};
use crate::model::Api;
use crate::startup::{Prepared, PreparedStore};
use crate::telemetry::version::{REVISION, VERSION};

/// Logs the line. It contains no secret: a URL of Redis is shown as its servers alone.
pub(super) fn log_summary(config: &Config, prepared: &Prepared) {
    let ranges = config.http.trusted_proxies.iter();
    tracing::info!(
        version = VERSION,
        revision = REVISION,
        mode = by_host(config, |homeserver| homeserver.mode.as_str()),
        dialects = join(dialects(config).into_iter().map(Api::label)),
        store = match &prepared.store {
            PreparedStore::Memory => "memory".to_owned(),
            PreparedStore::Redis(settings) => format!("redis {}", settings.layout),
        },
        public_base_url = by_host(config, |homeserver| {
            homeserver.public_base_url.as_deref().unwrap_or("none")
        }),
        trusted_proxies = join(ranges.map(ToString::to_string)),
        limits = if config.limits.rates.is_some() {
            "on"
        } else {
            "off"
        },
        "starting"
    );
}

/// The dialects that are served, by the names that metrics and the access log use.
fn dialects(config: &Config) -> Vec<Api> {
    let mut modes = config.homeservers.iter().map(|homeserver| homeserver.mode);
    let has_json = modes.any(|mode| mode != Mode::Off);
    let all = [
        (Api::Msc4388, has_json),
        (Api::V1, has_json && config.stable_api),
        (Api::Msc4108, config.msc4108.enabled),
    ];
    let served = all.into_iter().filter(|(_, is_served)| *is_served);
    served.map(|(api, _)| api).collect()
}

/// Returns a value of the only homeserver, or that of each homeserver after its name.
fn by_host<'a>(config: &'a Config, value: impl Fn(&'a HomeserverConfig) -> &'a str) -> String {
    join(config.homeservers.iter().map(|homeserver| {
        let value = value(homeserver);
        match homeserver.name() {
            "" => value.to_owned(),
            name => format!("{name}: {value}"),
        }
    }))
}

/// Joins the values of a list, or returns `none` if it is empty.
fn join<T: AsRef<str>>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<T> = values.collect();
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    if values.is_empty() {
        return "none".to_owned();
    }
    values.join(", ")
}
