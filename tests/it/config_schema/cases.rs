//! Configuration files with one right or wrong value each.

use serde_json::Value;

/// One configuration file.
pub struct Case {
    /// The key that has the value.
    pub key: String,
    /// The value.
    pub value: toml::Value,
    /// The schema of the key.
    pub schema: Value,
    /// The file: the value, and what the key needs beside it.
    pub file: toml::Table,
}

/// For every key and section: a value of each type.
const EVERYWHERE: &str = r#"true, 1, 1.5, "", "x", [], ["x"], {}, [{}]"#;

const DURATIONS: &str = r#""0s", "0", "5ms", "10ms", "5s", "10s", "11s", "30s", "31s", "75s", "1h", "25h", "1m 30s",
    "1.5s", "5 s", "10", "-1s", "s", "10 parsecs", "5minutes", "1s,", 0"#;

const URLS: &str = r#""https://a.example", "https://a.example/path/", "HTTP://A.example:8080", "http://[::1]:80",
    "https://", "https://u:p@a.example", "https://a.example?q=1", "https://a.example#f", "ftp://a.example",
    "redis://a:6379/0", "a.example""#;

const REDIS_URLS: &str = r#""redis://a:6379/0", "rediss-cluster://a:7000?node=b:1", "valkey://a", "redis://a:port",
    "unix:///run/r.sock?db=0", "unix:/run/r.sock", "http://a", "redis:a""#;

const LISTENERS: &str = r#""127.0.0.1", "127.0.0.1:80", "127.0.0.256:80", "127.0.0.1:65535", "127.0.0.1:65536",
    "[::1]:80", "[fe80::1%2]:80", ":80", ":", "localhost:80", "node-1.example.:80", "1.2:80", "-a:80", "a..b:80",
    "localhost:+80", "unix:/run/x.sock", "unix:/run/x.sock?mode=0660", "unix:/run/x.sock?mode=9",
    "unix:/x?owner=www", "unix:x", "unix:/run/", "127.0.0.1:80,[::1]:80", "http://localhost:80",
    ["127.0.0.1:80", ":81"], ["127.0.0.1"], [":80", "127.0.0.1:80"],
    [":1", ":2", ":3", ":4", ":5", ":6", ":7", ":8", ":9", ":10", ":11", ":12", ":13", ":14", ":15", ":16", ":17"]"#;

const TEXTS: &str = r#"" info", "info", "INFO", "warning", "info,fred=debug", "fred=debug", "fred=debug,warn", "3", "X-Real-IP",
    "X Real IP", "{x}", "a.example", "a b", "Ä", "/nonexistent/file""#;

const PATHS: &str = r#""/readyz", "/a/b-c._~/", "/", "//a", "a", "/a b", "/a?b", "/_matrix", "/_matrix/a", "/_matrixx",
    "/a%20""#;

const LISTS: &str = r#""127.0.0.1", [1], [[]], ["127.0.0.1"], ["10.0.0.0/8", "2001:db8::/32", "::ffff:10.0.0.1"], ["10.0.0.0/33"], ["10.0.0.256"],
    ["::/129"], ["::1::2"], ["version", "acl"], ["create_client", "deny_create"], ["live_total"],
    ["a.example", "b.example."], ["a.example:80"], ["a/b"], ["x", "x"]"#;

/// Returns each key with each value, each section with values that are no section, and each with an unknown key.
pub fn all_cases(schema: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for (key, schema) in nodes("", schema) {
        let is_section = schema["properties"].is_object();
        if is_section {
            let unknown = if key.is_empty() {
                "unknown".to_owned()
            } else {
                format!("{key}.unknown")
            };
            cases.push(case(&unknown, &toml::Value::Integer(1), &Value::Null));
        }
        if !key.is_empty() {
            cases.extend(
                values(&schema)
                    .iter()
                    .map(|value| case(&key, value, &schema)),
            );
        }
    }
    cases
}

/// The values that a key gets: one of each type, and right and wrong ones of its own.
fn values(schema: &Value) -> Vec<toml::Value> {
    let mut values = parse(EVERYWHERE);
    let example = schema["examples"][0].as_str().unwrap_or_default();
    values.extend(match schema["type"].as_str() {
        Some("string") if example == "300s" => parse(DURATIONS),
        Some("string") if example.starts_with("https:") => parse(URLS),
        Some("string") if example.starts_with("redis:") => parse(REDIS_URLS),
        Some("string") if example.starts_with('/') => parse(PATHS),
        Some("string") => parse(TEXTS),
        Some("array") => parse(LISTS),
        Some("boolean") => parse(r#""true", "yes", 0"#),
        Some("integer" | "number") => [bounds(schema), parse(r#""20", "many""#)].concat(),
        _ if schema["anyOf"].is_array() => parse(LISTENERS),
        _ => Vec::new(),
    });
    for name in schema["enum"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("text");
        values.extend([name.to_owned(), name.to_uppercase()].map(toml::Value::String));
    }
    values
}

fn parse(values: &str) -> Vec<toml::Value> {
    let text = format!("values = [{values}]");
    let table: toml::Table = text
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    table["values"].as_array().expect("a list").clone()
}

/// The bounds of a number, and the numbers next to them.
fn bounds(schema: &Value) -> Vec<toml::Value> {
    if schema["type"] == "integer" {
        let bound = |name: &str| schema[name].as_i64().expect("a bound");
        let (minimum, maximum) = (bound("minimum"), bound("maximum"));
        return [minimum - 1, minimum, maximum, maximum + 1]
            .map(toml::Value::Integer)
            .into();
    }
    let minimum = schema["minimum"]
        .as_f64()
        .or(schema["exclusiveMinimum"].as_f64())
        .expect("a bound");
    let maximum = schema["maximum"].as_f64().expect("a bound");
    [
        minimum - 0.0001,
        minimum,
        f64::midpoint(minimum, maximum),
        maximum,
        maximum + 0.5,
    ]
    .map(toml::Value::Float)
    .into()
}

/// Every section and key below a node of the schema, with its full name.
fn nodes(path: &str, node: &Value) -> Vec<(String, Value)> {
    let mut all = vec![(path.to_owned(), node.clone())];
    let is_list_of_sections = node["items"]["properties"].is_object();
    let section = if is_list_of_sections {
        &node["items"]
    } else {
        node
    };
    if is_list_of_sections {
        all.push((path.to_owned(), section.clone()));
    }
    let Some(properties) = section["properties"].as_object() else {
        return all;
    };
    for (name, child) in properties {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        all.extend(nodes(&path, child));
    }
    all
}

fn case(key: &str, value: &toml::Value, schema: &Value) -> Case {
    let mut file: toml::Table = beside(key).parse().expect("TOML");
    set(&mut file, key, value.clone());
    Case {
        key: key.to_owned(),
        value: value.clone(),
        schema: schema.clone(),
        file,
    }
}

/// Sets a key of a file. In a list of sections it is the one of the last section.
fn set(table: &mut toml::Table, key: &str, value: toml::Value) {
    let Some((section, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let inner = table
        .entry(section)
        .or_insert_with(|| toml::Table::new().into());
    match inner {
        toml::Value::Array(entries) => {
            let last = entries.last_mut().and_then(toml::Value::as_table_mut);
            set(last.expect("a section"), rest, value);
        }
        inner => set(inner.as_table_mut().expect("a section"), rest, value),
    }
}

/// What a key needs beside it, so that only its own value can be wrong.
fn beside(key: &str) -> &'static str {
    match key {
        "mode" | "auth.ca_file" => "[auth]\nhomeserver_url = \"http://a.example\"\n",
        "auth.introspection.client_secret" | "auth.introspection.client_secret_file" => {
            "[auth.introspection]\nendpoint = \"https://a.example\"\n"
        }
        "auth.introspection.endpoint" => "[auth.introspection]\nclient_secret = \"x\"\n",
        "auth.introspection.client_id" | "auth.introspection.unknown" => {
            "[auth.introspection]\nendpoint = \"https://a.example\"\nclient_secret = \"x\"\n"
        }
        "auth.homeserver" => "[msc4108]\nenabled = true\n",
        "auth.homeserver.mode" | "auth.homeserver.ca_file" => {
            "[[auth.homeserver]]\nhost = [\"a.example\"]\nhomeserver_url = \"http://a.example\"\n"
        }
        "auth.homeserver.introspection.client_secret"
        | "auth.homeserver.introspection.client_secret_file" => {
            "[[auth.homeserver]]\nhost = [\"a.example\"]\nintrospection.endpoint = \"https://a.example\"\n"
        }
        "auth.homeserver.introspection.endpoint" => {
            "[[auth.homeserver]]\nhost = [\"a.example\"]\nintrospection.client_secret = \"x\"\n"
        }
        "auth.homeserver.introspection.client_id" => {
            "[[auth.homeserver]]\nhost = [\"a.example\"]\nintrospection.endpoint = \"https://a.example\"\n\
             introspection.client_secret = \"x\"\n"
        }
        key if key.starts_with("auth.homeserver.") => {
            "[[auth.homeserver]]\nhost = [\"a.example\"]\n"
        }
        "http.proxy_protocol" => "[http]\ntrusted_proxies = [\"10.0.0.1\"]\n",
        "telemetry.traces.ca_file" => "[telemetry.traces]\nendpoint = \"http://a.example\"\n",
        "telemetry.metrics.ca_file" => "[telemetry.metrics]\nendpoint = \"http://a.example\"\n",
        "store.redis.url" | "store.redis.url_file" => "[store]\nbackend = \"redis\"\n",
        "store.backend" => "[store.redis]\nurl = \"redis://a\"\n",
        key if key.starts_with("store.redis.") => {
            "[http]\nrequest_timeout = \"60s\"\n[store]\nbackend = \"redis\"\n[store.redis]\nurl = \"redis://a\"\n"
        }
        // A file without a key is an error.
        _ => "maintenance = false\n",
    }
}
