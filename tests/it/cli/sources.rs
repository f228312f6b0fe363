//! Configuration sources: file, environment and flags, each overriding the one before.

use super::{check, file, print, run};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::etag::creation;
use testkit::http::Request;
use testkit::server::shared_redis;

/// Returns the value of a key such as `session.ttl`.
#[track_caller]
fn get<'t>(table: &'t toml::Table, key: &str) -> &'t toml::Value {
    let mut segments = key.split('.');
    let first = &table[segments.next().expect("a key")];
    segments.fold(first, |value, segment| &value[segment])
}

#[test]
fn file_overrides_defaults() {
    let file = file("mode = \"open\"\n[session]\nttl = \"180s\"\n");
    let path = file.path().to_str().expect("a path");
    let printed = print(&["--config", path], &[]);
    assert_eq!(get(&printed, "mode").as_str(), Some("open"));
    let same = print(&[], &[("RENDEZVOUS_SESSION__TTL", "180s")]);
    assert_eq!(get(&printed, "session.ttl"), get(&same, "session.ttl"));
    // Keys that are not in the file keep their defaults.
    assert_eq!(
        get(&printed, "http.listen").as_str(),
        Some("127.0.0.1:8080")
    );
}

#[test]
fn environment_overrides_file_and_flags_override_both() {
    let file =
        file("mode = \"open\"\n[session]\nmax_live = 1\nmax_txn_ids = 1\n[api]\nstable = true\n");
    let path = file.path().to_str().expect("a path");
    let variables = [
        ("RENDEZVOUS_SESSION__MAX_LIVE", "2"),
        ("RENDEZVOUS_SESSION__MAX_TXN_IDS", "2"),
        ("RENDEZVOUS_MODE", "open"),
    ];
    let flags = [
        "--config",
        path,
        "--set",
        "session.max_txn_ids=3",
        "--mode",
        "off",
    ];
    let printed = print(&flags, &variables);
    let number = |key| get(&printed, key).as_integer();
    assert_eq!(
        (number("session.max_live"), number("session.max_txn_ids")),
        (Some(2), Some(3))
    );
    assert_eq!(get(&printed, "api.stable").as_bool(), Some(true));
    assert_eq!(get(&printed, "mode").as_str(), Some("off"));
}

#[test]
fn each_flag_sets_its_key() {
    let flags = [
        "--mode",
        "open",
        "--listen",
        "127.0.0.1:1",
        "--admin-listen",
        "127.0.0.1:2",
        "--set",
        "session.ttl=200s",
        "--set",
        "store.redis.prefix=a=b:",
        "--set",
        "http.trusted_proxies=10.0.0.0/8,192.0.2.1",
    ];
    let printed = print(&flags, &[]);
    let expected = [
        ("mode", "open"),
        ("http.listen", "127.0.0.1:1"),
        ("admin.listen", "127.0.0.1:2"),
        ("store.redis.prefix", "a=b:"),
    ];
    for (key, value) in expected {
        assert_eq!(get(&printed, key).as_str(), Some(value), "{key}");
    }
    assert_eq!(
        get(&printed, "http.trusted_proxies")
            .as_array()
            .map(Vec::len),
        Some(2)
    );
}

#[test]
fn later_set_wins_and_a_dedicated_flag_wins_over_set() {
    let flags = [
        "--mode",
        "off",
        "--set",
        "mode=open",
        "--set",
        "session.ttl=200s",
        "--set",
        "session.ttl=150s",
    ];
    let printed = print(&flags, &[("RENDEZVOUS_SESSION__TTL", "100s")]);
    assert_eq!(get(&printed, "mode").as_str(), Some("off"));
    let same = print(&[], &[("RENDEZVOUS_SESSION__TTL", "150s")]);
    assert_eq!(get(&printed, "session.ttl"), get(&same, "session.ttl"));
}

/// A number, a boolean, a list, a duration and text, as in the environment.
#[test]
fn set_parses_values_like_the_environment() {
    for (key, value) in [
        ("session.max_live", "7"),
        ("msc4108.enabled", "true"),
        ("http.trusted_proxies", "10.0.0.0/8,192.0.2.1"),
        ("limits.create.client.per_second", "0.25"),
        ("shutdown.drain", "7s"),
        ("store.redis.prefix", "12345"),
    ] {
        let set = format!("{key}={value}");
        let name = testkit::server::variable(key);
        let [flag, variable] = [print(&["--set", &set], &[]), print(&[], &[(&name, value)])];
        assert_eq!(get(&flag, key), get(&variable, key), "{key}");
        assert_ne!(get(&flag, key), get(&print(&[], &[]), key), "{key}");
    }
}

/// The first command of the README.
#[test]
fn set_turns_the_etag_api_on_without_a_file() {
    let arguments = ["serve", "--mode", "open", "--set", "msc4108.enabled=true"];
    let server = Server::launch_with_arguments(&arguments);
    testkit::eventually("the server is ready", || {
        (server.admin_get("/readyz").status == 200).then_some(())
    });
    server.call(&Request::get(UNSTABLE)).expect(200);
    server.call(&creation("hello")).expect(201);
}

#[test]
fn config_flag_overrides_config_variable() {
    let one = file("[session]\nmax_live = 1\n");
    let two = file("[session]\nmax_live = 2\n");
    let [one, two] = [&one, &two].map(|file| file.path().to_str().expect("a path"));
    let named = [("RENDEZVOUS_CONFIG", one)];
    let max_live = |printed: &toml::Table| get(printed, "session.max_live").as_integer();
    assert_eq!(max_live(&print(&[], &named)), Some(1));
    assert_eq!(max_live(&print(&["--config", two], &named)), Some(2));
}

#[test]
fn missing_file_is_reported_by_name() {
    for arguments in [
        &["config", "check", "--config", "not-there.toml"][..],
        &["serve", "--config", "not-there.toml"],
    ] {
        run(arguments, &[]).expect_refused(&["not-there.toml"]);
    }
    check(&[("RENDEZVOUS_CONFIG", "not-there.toml")]).expect_refused(&["not-there.toml"]);
}

#[test]
fn list_in_environment_equals_list_in_file() {
    let file = file("[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n");
    let path = file.path().to_str().expect("a path");
    let from_file = print(&["--config", path], &[]);
    for spelled in ["10.0.0.0/8,2001:db8::/32", "10.0.0.0/8, 2001:db8::/32"] {
        let from_env = print(&[], &[("RENDEZVOUS_HTTP__TRUSTED_PROXIES", spelled)]);
        assert_eq!(
            get(&from_env, "http.trusted_proxies"),
            get(&from_file, "http.trusted_proxies")
        );
    }
    let one = print(&[], &[("RENDEZVOUS_HTTP__TRUSTED_PROXIES", "10.0.0.0/8")]);
    assert_eq!(
        get(&one, "http.trusted_proxies").as_array().map(Vec::len),
        Some(1)
    );
}

/// From the environment `12345` could arrive as a number, and `true` as a boolean.
#[test]
fn numeric_text_is_accepted_as_text() {
    for text in ["12345", "true", "1.5", "[x]", "off"] {
        let printed = print(&[], &[("RENDEZVOUS_STORE__REDIS__PREFIX", text)]);
        assert_eq!(get(&printed, "store.redis.prefix").as_str(), Some(text));
    }
}

#[test]
fn numbers_and_text_are_interchangeable_in_files() {
    let file = file("[session]\nmax_live = \"7\"\n[store.redis]\nprefix = 7\n");
    let printed = print(&["--config", file.path().to_str().expect("a path")], &[]);
    assert_eq!(get(&printed, "session.max_live").as_integer(), Some(7));
    assert_eq!(get(&printed, "store.redis.prefix").as_str(), Some("7"));
}

/// The names appear in the documentation, in the printed configuration and in error messages.
#[test]
fn startup_check_has_one_name() {
    let names = [
        "version", "eviction", "memory", "acl", "latency", "replicas",
    ];
    let documented = format!("may fail: {}.", names.join(", "));
    let defaults = include_str!("../../../config/default.toml");
    assert!(defaults.contains(&documented), "{documented}");
    let variable = "RENDEZVOUS_STORE__REDIS__IGNORE_CHECKS";
    let printed = print(&[], &[(variable, &names.join(","))]);
    let accepted = get(&printed, "store.redis.ignore_checks")
        .as_array()
        .expect("a list");
    assert!(
        accepted
            .iter()
            .map(|name| name.as_str())
            .eq(names.map(Some)),
        "{accepted:?}"
    );
    let expected = names.join(", ");
    check(&[(variable, "Version")]).expect_refused(&[
        "store.redis.ignore_checks",
        &expected,
        variable,
    ]);
}

const SECRET: &str = "correct-horse";

#[test]
fn secrets_are_masked_in_all_output() {
    let urls = [
        format!("redis://user:{SECRET}@127.0.0.1:1/0"),
        format!("redis://:{SECRET}@127.0.0.1:1"),
        format!("rediss://user:{SECRET}@127.0.0.1:1/0"),
        format!("redis-sentinel://127.0.0.1:1/0?sentinelServiceName=m&sentinelPassword={SECRET}"),
        // None of these is a URL, and each could be a password.
        format!("redis://user:{SECRET}@127.0.0.1:port/0"),
        format!("http://user:{SECRET}@127.0.0.1:1/"),
        SECRET.to_owned(),
    ];
    for url in urls {
        let variables = [
            ("RENDEZVOUS_STORE__BACKEND", "redis"),
            ("RENDEZVOUS_STORE__REDIS__URL", &url),
        ];
        for arguments in [&["config", "print"], &["config", "check"]] {
            let run = run(arguments, &variables);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains(SECRET), "{arguments:?} {url}: {run:#?}");
        }
    }
}

#[test]
fn secret_next_to_a_syntax_error_is_not_quoted() {
    let line = format!("url = \"redis://user:{SECRET}@127.0.0.1:1/0\"");
    let texts = [
        format!("[store.redis]\n{line}\nnonsense = 1\n"),
        format!("[store.redis]\n{line} nonsense\n"),
        format!("[store.redis]\n{line}\n{line}\n"),
        format!("[store]\nbackend = \"nonsense\"\n[store.redis]\n{line}\n"),
        format!("[store.redis]\nurls = \"redis://user:{SECRET}@127.0.0.1:1/0\"\n"),
    ];
    for text in texts {
        let file = file(&text);
        let path = file.path().to_str().expect("a path");
        let run = run(&["config", "check", "--config", path], &[]).expect_refused(&[path]);
        assert!(!run.stderr.contains(SECRET), "{run:#?}");
    }
}

#[test]
fn secret_is_read_from_its_file() {
    let file = file(&format!("{}\n", shared_redis().url()));
    let path = file.path().to_str().expect("a path");
    let settings = [
        ("mode", "open"),
        ("store.backend", "redis"),
        ("store.redis.url_file", path),
        ("store.redis.prefix", "of-a-file:"),
    ];
    let server = Server::launch(&settings);
    testkit::eventually("the server is ready", || {
        (server.admin_get("/readyz").status == 200).then_some(())
    });
    server.call(&Request::get(UNSTABLE)).expect(200);
    server.create("hello");
    let keys = shared_redis().command(&["KEYS", "of-a-file:s:*"]);
    assert_eq!(keys.array().len(), 1, "{keys:?}");
}

#[test]
fn duplicate_or_unreadable_secret_is_rejected() {
    let file = file("redis://127.0.0.1:1/0");
    let path = file.path().to_str().expect("a path");
    let redis = ("RENDEZVOUS_STORE__BACKEND", "redis");
    let url = ("RENDEZVOUS_STORE__REDIS__URL", "redis://127.0.0.1:1/0");
    let of_a_file = |path| ("RENDEZVOUS_STORE__REDIS__URL_FILE", path);
    check(&[redis, url, of_a_file(path)]).expect_refused(&["store.redis.url_file"]);
    check(&[redis, of_a_file("not-there")]).expect_refused(&["store.redis.url_file", "not-there"]);
    check(&[redis]).expect_refused(&["store.redis.url"]);
    check(&[redis, of_a_file(path)]).expect(0);
}
