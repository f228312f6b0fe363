//! Homeservers and token verifiers: what is rejected, what causes a warning, and what is never
//! printed.

use super::{check, file, print, run};

#[test]
fn token_verifier_must_be_set_once_and_completely() {
    const URL: (&str, &str) = (
        "RENDEZVOUS_AUTH__HOMESERVER_URL",
        "https://matrix.example.org",
    );
    const ENDPOINT: (&str, &str) = (
        "RENDEZVOUS_AUTH__INTROSPECTION__ENDPOINT",
        "https://auth.example.org/introspect",
    );
    const SECRET: (&str, &str) = ("RENDEZVOUS_AUTH__INTROSPECTION__CLIENT_SECRET", "hunter2");
    const FILE: (&str, &str) = (
        "RENDEZVOUS_AUTH__INTROSPECTION__CLIENT_SECRET_FILE",
        "/nowhere",
    );
    run(&["serve", "--mode", "authenticated"], &[])
        .expect_refused(&["mode", "auth.homeserver_url"]);
    for (variables, named) in [
        (&[URL, ENDPOINT, SECRET][..], "auth.introspection.endpoint"),
        (&[URL, SECRET], "auth.introspection.endpoint"),
        (&[SECRET], "auth.introspection.endpoint"),
        (&[ENDPOINT], "auth.introspection.client_secret"),
        (
            &[ENDPOINT, SECRET, FILE],
            "auth.introspection.client_secret_file",
        ),
        (&[ENDPOINT, FILE], "auth.introspection.client_secret_file"),
        (
            &[URL, ("RENDEZVOUS_AUTH__CA_FILE", "/nowhere")],
            "auth.ca_file",
        ),
        (
            &[ENDPOINT, (SECRET.0, "a\nb")],
            "auth.introspection.client_secret",
        ),
        // An empty variable counts as not set.
        (
            &[ENDPOINT, (SECRET.0, "")],
            "auth.introspection.client_secret",
        ),
    ] {
        let refused = check(variables).expect_refused(&[named]);
        assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
    }
}

/// Each error in the homeserver entries, with the key of its entry.
#[test]
fn ambiguous_or_incomplete_homeservers_are_rejected() {
    let url = "homeserver_url = \"https://synapse.example\"\n";
    let entry = |rest: &str| format!("[[auth.homeserver]]\n{rest}");
    let good = entry(&format!("host = \"a.example\"\n{url}"));
    let cases = [
        // One bracket is missing, so TOML reads something else.
        (
            format!("[auth.homeserver]\nhost = \"a.example\"\n{url}"),
            "each under [[auth.homeserver]] in double brackets",
        ),
        (entry(url), "auth.homeserver.0: missing field `host`"),
        // serde would take the elements for the keys in their order.
        (
            "[auth]\nhomeserver = [[[\"a.example\"]]]\n".to_owned(),
            "expected a section with keys",
        ),
        (
            entry("host = \"a.example\"\nintrospection = [\"https://as.example\"]\n"),
            "expected a section with keys",
        ),
        (
            entry("host = \"\"\n"),
            "auth.homeserver.0.host: must name at least one host",
        ),
        (
            entry("host = []\n"),
            "auth.homeserver.0.host: must name at least one host",
        ),
        (
            entry("host = \"a.example:8080\"\n"),
            "auth.homeserver.0.host",
        ),
        (
            entry("host = \"https://a.example\"\n"),
            "auth.homeserver.0.host",
        ),
        (entry("host = \"a example\"\n"), "auth.homeserver.0.host"),
        (
            entry("host = \"a.example\"\nhosts = 1\n"),
            "auth.homeserver.0.hosts: unknown key",
        ),
        (
            entry("host = \"a.example\"\nmode = \"nonsense\"\n"),
            "auth.homeserver.0.mode",
        ),
        // Each case is checked in mode `authenticated`, in which every entry needs a verifier.
        (
            entry("host = \"a.example\"\n"),
            "\"authenticated\" requires auth.homeserver.0.homeserver_url",
        ),
        (
            [&*good, &*good].concat(),
            "auth.homeserver.1.host: a.example: is listed twice",
        ),
        (
            [&*good, &*entry("host = \"A.example.\"\n")].concat(),
            "auth.homeserver.1.host: a.example: is listed twice",
        ),
        (
            [
                &*good,
                "[auth.homeserver.introspection]\nclient_id = \"x\"\n",
            ]
            .concat(),
            "auth.homeserver.0.introspection.endpoint: is not set",
        ),
        (
            [&*good, "ca_file = \"/nonexistent\"\n"].concat(),
            "auth.homeserver.0.ca_file: ",
        ),
        (
            format!("[auth]\n{url}{good}"),
            "auth.homeserver_url: is set beside [[auth.homeserver]]",
        ),
        (
            format!("[http]\npublic_base_url = \"https://a.example\"\n{good}"),
            "http.public_base_url: is set beside [[auth.homeserver]]",
        ),
    ];
    for (text, expected) in cases {
        let file = file(&format!("mode = \"authenticated\"\n{text}"));
        let path = file.path().to_str().expect("a path");
        for command in [&["config", "check"][..], &["serve"]] {
            run(&[command, &["--config", path]].concat(), &[]).expect_refused(&[expected, path]);
        }
    }
}

/// The printed configuration can be read back, including its entries.
#[test]
fn printed_homeservers_can_be_read_back() {
    let text = "[[auth.homeserver]]\nhost = [\"A.example\", \"b.example\"]\nmode = \"open\"\n";
    let named = file(text);
    let print = |path: &std::path::Path| {
        let path = path.to_str().expect("a path");
        run(&["config", "print", "--config", path], &[])
            .expect(0)
            .stdout
    };
    let printed = print(named.path());
    assert!(
        printed.contains("host = [\"a.example\", \"b.example\"]"),
        "{printed}"
    );
    assert_eq!(print(file(&printed).path()), printed);
}

/// The environment and `--set` number the entries. They mean the same as a file, and replace its entries.
#[test]
fn environment_has_numbered_homeservers() {
    let text = "[[auth.homeserver]]\nhost = [\"a.example\", \"b.example\"]\nmode = \"authenticated\"\n\
                homeserver_url = \"https://synapse.example\"\n\
                [[auth.homeserver]]\nhost = \"c.example\"\nmode = \"open\"\n\
                public_base_url = \"https://c.example\"\n";
    let complete = file(text);
    let path = complete.path().to_str().expect("a path");
    let from_file = print(&["--config", path], &[]);
    let variables = [
        (
            "RENDEZVOUS_AUTH__HOMESERVER__0__HOST",
            "a.example,b.example",
        ),
        ("RENDEZVOUS_AUTH__HOMESERVER__0__MODE", "authenticated"),
        (
            "RENDEZVOUS_AUTH__HOMESERVER__0__HOMESERVER_URL",
            "https://synapse.example",
        ),
        // Not set, as compose's ${X:-} is.
        ("RENDEZVOUS_AUTH__HOMESERVER__0__CA_FILE", ""),
        ("RENDEZVOUS_AUTH__HOMESERVER__0__PUBLIC_BASE_URL", ""),
        (
            "RENDEZVOUS_AUTH__HOMESERVER__0__INTROSPECTION__ENDPOINT",
            "",
        ),
        ("RENDEZVOUS_AUTH__HOMESERVER__1__MODE", ""),
    ];
    let rest = [
        "--set",
        "auth.homeserver.1.host=c.example",
        "--set",
        "auth.homeserver.1.mode=open",
        "--set",
        "auth.homeserver.1.public_base_url=https://c.example",
    ];
    assert_eq!(print(&rest, &variables), from_file);
    let other = file("[[auth.homeserver]]\nhost = \"old.example\"\n");
    let path = other.path().to_str().expect("a path");
    let arguments = [&["--config", path][..], &rest].concat();
    assert_eq!(print(&arguments, &variables), from_file);
}

#[test]
fn numbered_homeservers_name_their_source_in_errors() {
    const HOST: (&str, &str) = ("RENDEZVOUS_AUTH__HOMESERVER__0__HOST", "a.example");
    check(&[HOST, ("RENDEZVOUS_AUTH__HOMESERVER__0__MODE", "nonsense")]).expect_refused(&[
        "auth.homeserver.0.mode: ",
        "(from environment variable RENDEZVOUS_AUTH__HOMESERVER__0__MODE)",
    ]);
    check(&[HOST, ("RENDEZVOUS_AUTH__HOMESERVER__0__HOSTS", "b.example")])
        .expect_refused(&["auth.homeserver.0.hosts: unknown key"]);
    check(&[HOST, ("RENDEZVOUS_AUTH__HOMESERVER__2__HOST", "b.example")])
        .expect_refused(&["auth.homeserver: entry 2 requires an entry 1"]);
    check(&[("RENDEZVOUS_AUTH__HOMESERVER__HOST", "a.example")])
        .expect_refused(&["numbered from 0, as in RENDEZVOUS_AUTH__HOMESERVER__0__HOST"]);
    // A second name for the same entry would hide one of the two.
    check(&[HOST, ("RENDEZVOUS_AUTH__HOMESERVER__00__HOST", "b.example")])
        .expect_refused(&["numbered from 0"]);
}

/// A URL with a password is rejected, and the message must not contain the password.
#[test]
fn password_in_url_is_rejected_and_not_printed() {
    let expected = "expected a URL without user name and password";
    for key in [
        "AUTH__HOMESERVER_URL",
        "AUTH__INTROSPECTION__ENDPOINT",
        "HTTP__PUBLIC_BASE_URL",
    ] {
        let name = format!("RENDEZVOUS_{key}");
        for url in [
            "https://anna:hunter2@matrix.example.org",
            "https://hunter2@matrix.example.org/?a=b",
        ] {
            let refused = check(&[(&name, url)]).expect_refused(&[expected, "@matrix.example.org"]);
            assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
        }
        // Not even if it is not a URL at all.
        let refused = check(&[(&name, "anna:hunter2@host")]).expect_refused(&[&name]);
        assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
    }
    let file = file("[[auth.homeserver]]\nhost = \"a\"\nhomeserver_url = \"https://hunter2@b/\"\n");
    let path = file.path().to_str().expect("a path");
    let refused = run(&["config", "check", "--config", path], &[]).expect_refused(&[expected]);
    assert!(!refused.stderr.contains("hunter2"), "{refused:#?}");
}

/// If MSC4388 is off for a homeserver, its verifier is never used and its users get 404, so this is
/// hardly intended.
#[test]
fn homeserver_with_mode_off_is_warned_about() {
    let url = "homeserver_url = \"https://synapse.example\"\n";
    let open = "[[auth.homeserver]]\nhost = \"open.example\"\nmode = \"open\"\n";
    let unset = format!("[[auth.homeserver]]\nhost = \"a.example\"\n{url}");
    let warnings = |text: &str, variables: &[(&str, &str)]| {
        let file = file(text);
        let path = file.path().to_str().expect("a path");
        let run = run(&["config", "check", "--config", path], variables).expect(0);
        let about = run
            .stderr
            .lines()
            .filter(|line| line.contains("mode is off"));
        about.map(str::to_owned).collect::<Vec<_>>()
    };
    let logged = warnings(&format!("{open}{unset}"), &[]);
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert!(logged[0].contains("auth.homeserver.1: mode is off: requests to a.example"));
    assert!(logged[1].contains("auth.homeserver.1: mode is off: the token verifier is not used"));
    let etag = [("RENDEZVOUS_MSC4108__ENABLED", "true")];
    let logged = warnings(&format!("{open}{unset}"), &etag);
    assert_eq!(logged.len(), 1, "the other dialect is served: {logged:?}");
    let logged = warnings(&format!("[auth]\n{url}"), &etag);
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("auth: mode is off: the token verifier is not used"));
    assert_eq!(warnings(open, &[]), Vec::<String>::new());
}
