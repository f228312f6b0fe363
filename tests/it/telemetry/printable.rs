//! Text from outside in the log and in messages: nothing in it is interpreted by a terminal.

use crate::server::{Server, command};
use serde_json::{Value, json};
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::Request;
use testkit::server::Store;

/// A user id that reverses what follows it, and begins lines of its own.
const USER: &str = "@a\u{202e}b\u{2028}c\u{2029}d\u{200b}:example.org";

/// Characters that may stand in output: what is printed, and the ends of lines.
#[track_caller]
fn assert_is_printable(text: &str) {
    let bad: Vec<_> = text
        .chars()
        .filter(|c| !matches!(c, ' '..='~' | '\n'))
        .collect();
    assert!(bad.is_empty(), "{bad:?} stand in\n{text:?}");
}

/// The line about the user, in this format.
fn line_about_user(format: &str) -> String {
    let verifier = HomeserverStub::start();
    verifier.set_reply("good", TokenReply::user(USER));
    let url = verifier.url();
    let settings = [
        ("mode", "authenticated"),
        ("auth.homeserver_url", &*url),
        ("telemetry.log_users", "true"),
        ("telemetry.log_format", format),
    ];
    let server = Server::start(Store::Memory, &settings);
    let create = Request::post(UNSTABLE).json(&json!({"data": "x"}));
    let create = create.header("Authorization", "Bearer good");
    server.call(&create).expect(200);
    eventually("a line about the user", || {
        let log = server.log();
        assert_is_printable(&log);
        let mut lines = log.lines();
        lines
            .find(|line| line.contains("may create a session"))
            .map(str::to_owned)
    })
}

#[test]
fn logged_user_is_printed_without_format_characters() {
    let line = line_about_user("text");
    let printed = r"user=@a\u202eb\u2028c\u2029d\u200b:example.org";
    assert!(line.contains(printed), "{line}");
}

#[test]
fn logged_user_has_its_value_in_json() {
    let line: Value = serde_json::from_str(&line_about_user("json")).expect("JSON");
    assert_eq!(line["user"], USER);
}

/// A path in a setting, and a value that a command prints.
#[test]
fn printed_configuration_error_has_no_escape_sequence() {
    let path = "/nothing/\u{1b}[31m\u{202e}here";
    for command_line in [&["config", "check"][..], &["serve"]] {
        let output = command()
            .args(command_line)
            .env("RENDEZVOUS_MODE", "open")
            .env("RENDEZVOUS_STORE__BACKEND", "redis")
            .env("RENDEZVOUS_STORE__REDIS__URL_FILE", path)
            .output()
            .expect("it starts");
        assert_eq!(output.status.code(), Some(64));
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.contains(r"/nothing/\u001b[31m\u202ehere"), "{text:?}");
        assert_is_printable(&text);
    }
}
