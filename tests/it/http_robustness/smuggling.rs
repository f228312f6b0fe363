//! A request that two readers could split differently never gets a second response.
//!
//! Each case is written in one piece with a second request after it, as an attacker behind a proxy
//! would. The HTTP library decides how the first is rejected; we require that the connection ends.

use super::start;
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::etag::ETAG;
use testkit::http::{Connection, Request};

/// The number of responses before the connection ended. Bodies of this service contain no status
/// line.
#[track_caller]
fn replies_until_close(server: &Server, bytes: &[u8]) -> usize {
    let mut connection = Connection::open(server.http);
    connection.write(bytes);
    let received = connection.read_to_close();
    String::from_utf8_lossy(&received)
        .matches("HTTP/1.")
        .count()
}

fn smuggled() -> String {
    format!("GET {UNSTABLE} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A creation with these framing headers and this body, followed by the smuggled request.
fn create_with(framing: &str, body: &str) -> String {
    format!(
        "POST {UNSTABLE} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n{body}{}",
        smuggled()
    )
}

#[track_caller]
fn assert_one_reply_at_most(framing: &str, body: &str) {
    let server = start(&[]);
    let bytes = create_with(framing, body);
    let replies = replies_until_close(&server, bytes.as_bytes());
    assert!(replies <= 1, "{replies} replies to {bytes}");
    // The server itself continues to work.
    server.raw(&Request::get(UNSTABLE)).expect(200);
}

const BODY: &str = r#"{"data":"x"}"#;
const CHUNKED_BODY: &str = "c\r\n{\"data\":\"x\"}\r\n0\r\n\r\n";

#[test]
fn content_length_before_transfer_encoding() {
    assert_one_reply_at_most(
        "Content-Length: 12\r\nTransfer-Encoding: chunked",
        CHUNKED_BODY,
    );
}

#[test]
fn transfer_encoding_before_content_length() {
    assert_one_reply_at_most(
        "Transfer-Encoding: chunked\r\nContent-Length: 23",
        CHUNKED_BODY,
    );
}

#[test]
fn content_length_disagrees_with_chunks() {
    assert_one_reply_at_most(
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
    );
}

#[test]
fn two_different_content_lengths() {
    assert_one_reply_at_most("Content-Length: 12\r\nContent-Length: 13", BODY);
}

/// Two readers cannot disagree here: equal lengths count as one (RFC 9110, 8.6), and the rest is a
/// separate request.
#[test]
fn two_equal_content_lengths_count_as_one() {
    let server = start(&[]);
    let mut connection = Connection::open(server.http);
    let framing = "Content-Length: 12\r\nContent-Length: 12";
    connection.write(create_with(framing, BODY).as_bytes());
    let id = connection.reply().expect(200).text("id");
    server.assert_holds(&id, "x", &server.read(&id).token);
    connection.reply().expect(200);
}

#[test]
fn list_of_different_content_lengths() {
    assert_one_reply_at_most("Content-Length: 12, 13", BODY);
}

#[test]
fn list_of_equal_content_lengths() {
    assert_one_reply_at_most("Content-Length: 12, 12", BODY);
}

#[test]
fn content_length_with_a_sign() {
    assert_one_reply_at_most("Content-Length: +12", BODY);
}

#[test]
fn unknown_transfer_encoding() {
    assert_one_reply_at_most("Transfer-Encoding: xchunked", CHUNKED_BODY);
}

#[test]
fn transfer_encoding_not_ending_in_chunked() {
    assert_one_reply_at_most("Transfer-Encoding: chunked, identity", CHUNKED_BODY);
}

#[test]
fn header_name_with_space_before_colon() {
    assert_one_reply_at_most("Content-Length: 12\r\nTransfer-Encoding : chunked", BODY);
}

#[test]
fn folded_header_line() {
    assert_one_reply_at_most(
        "Content-Length: 12\r\nX: a\r\n Transfer-Encoding: chunked",
        BODY,
    );
}

#[test]
fn invalid_chunk_size() {
    assert_one_reply_at_most(
        "Transfer-Encoding: chunked",
        "0x0c\r\n{\"data\":\"x\"}\r\n0\r\n\r\n",
    );
}

/// hyper accepts a bare LF in trailers, and a proxy may see another end.
// R0.42
#[test]
fn trailers_are_rejected() {
    let server = start(&[]);
    for end in ["0\r\n\n", "0\r\nA: b\n\n", "0\r\nA: b\r\n\r\n"] {
        let body = format!("c\r\n{BODY}\r\n{end}");
        let bytes = create_with("Transfer-Encoding: chunked", &body);
        let mut connection = Connection::open(server.http);
        connection.write(bytes.as_bytes());
        let reply = connection.reply().expect_error(400, "M_UNKNOWN");
        assert!(reply.says_close(), "{end:?}: {reply}");
        assert_eq!(connection.read_to_close(), b"", "{end:?}");
    }
}

/// The body of a write is read although a limit rejects it, for its entity tag.
// R0.42
#[test]
fn trailers_of_a_rejected_write_close_the_connection() {
    let server = start(&[
        ("msc4108.enabled", "true"),
        ("limits.deny.requests", "127.0.0.1"),
    ]);
    let write = format!(
        "PUT {ETAG}/x HTTP/1.1\r\nHost: x\r\nIf-Match: \"x\"\r\nContent-Type: text/plain\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n{}",
        smuggled()
    );
    let mut connection = Connection::open(server.http);
    connection.write(write.as_bytes());
    assert!(connection.reply().says_close());
    assert_eq!(connection.read_to_close(), b"");
}

/// A request that is rejected before its body is read: the unread body is not parsed as a request.
#[test]
fn rejected_body_is_not_parsed_as_a_request() {
    let server = start(&[]);
    for path in [
        "/unknown",
        "/_matrix/client/v1/rendezvous",
        &format!("{UNSTABLE}/a+b"),
    ] {
        let body = smuggled();
        let mut bytes = Request::put(path).body(body).bytes();
        let last = Request::get("/last").header("Connection", "close");
        bytes.extend_from_slice(&last.bytes());
        let mut connection = Connection::open(server.http);
        connection.write(&bytes);
        let received = connection.read_to_close();
        let received = String::from_utf8_lossy(&received);
        assert!(received.starts_with("HTTP/1.1 404 "), "{path}: {received}");
        assert!(!received.contains("create_available"), "{path}: {received}");
    }
}

/// hyper accepts any list that ends in `chunked`.
// R0.42
#[test]
fn transfer_coding_but_chunked_once_is_rejected() {
    let server = start(&[]);
    for framing in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity,chunked",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \"chunked\", chunked",
    ] {
        for path in [UNSTABLE, "/unknown"] {
            for behind in [String::new(), smuggled()] {
                let mut connection = Connection::open(server.http);
                let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n");
                connection.write(format!("{head}{CHUNKED_BODY}{behind}").as_bytes());
                let reply = connection.reply().expect_error(400, "M_UNKNOWN");
                reply.assert_common_headers();
                assert!(reply.says_close(), "{framing}: {reply}");
                assert_eq!(connection.read_to_close(), b"", "{framing}");
            }
        }
    }
    let reason = [("reason", "invalid_transfer_coding")];
    let rejected = server.metrics().sum("rendezvous_rejections_total", &reason);
    assert_eq!(rejected, 28);
}

// R0.42
/// A limit or a deny list may reject the request first. The connection is closed all the same.
#[test]
fn rejected_transfer_coding_closes_after_a_limit_too() {
    let rate = [
        ("limits.enabled", "true"),
        ("limits.requests.client.burst", "1"),
        ("limits.requests.client.per_second", "0.001"),
    ];
    let denied = [("limits.deny.requests", "127.0.0.1")];
    for (settings, status) in [(&rate[..], 429), (&denied[..], 403)] {
        let server = start(settings);
        server.raw(&Request::get("/unknown"));
        let mut connection = Connection::open(server.http);
        let head = format!(
            "POST {UNSTABLE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        );
        connection.write(format!("{head}{CHUNKED_BODY}{}", smuggled()).as_bytes());
        let reply = connection.reply().expect(status);
        assert!(reply.says_close(), "{reply}");
        assert_eq!(connection.read_to_close(), b"");
    }
}

/// The name of a coding has no case, and white space around a value is not part of it.
// R0.42
#[test]
fn chunked_in_any_case_is_accepted() {
    let server = start(&[]);
    for coding in ["chunked", "Chunked", "CHUNKED", " \t chunked \t"] {
        let mut connection = Connection::open(server.http);
        let framing = format!("Transfer-Encoding:{coding}");
        connection.write(create_with(&framing, CHUNKED_BODY).as_bytes());
        connection.reply().expect(200);
        connection.reply().expect(200);
    }
}

/// A bare LF ends a line of a head (RFC 9112 §2.2), and not one of a chunked body.
#[test]
fn bare_line_feed_ends_a_line_of_a_head_only() {
    let server = start(&[]);
    let create = create_with("Content-Length: 12", BODY).replace("\r\n", "\n");
    let mut connection = Connection::open(server.http);
    connection.write(create.as_bytes());
    connection.reply().expect(200);
    connection.reply().expect(200);
    for body in [
        CHUNKED_BODY.replace("\r\n", "\n"),
        CHUNKED_BODY.replacen("\r\n", "\n", 1),
        CHUNKED_BODY.replacen("}\r\n", "}\n", 1),
        CHUNKED_BODY.replacen("c\r\n", "c;x\n\r\n", 1),
    ] {
        assert_one_reply_at_most("Transfer-Encoding: chunked", &body);
    }
}

/// Within a line, neither character is part of a value.
#[test]
fn line_end_characters_in_a_value_are_rejected() {
    let server = start(&[]);
    for value in ["a\rContent-Length: 12", "a\0b", "a\r\rb"] {
        let bytes = create_with(&format!("X: {value}\r\nContent-Length: 12"), BODY);
        let mut connection = Connection::open(server.http);
        connection.write(bytes.as_bytes());
        let received = connection.read_to_close();
        assert!(received.starts_with(b"HTTP/1.1 400 "), "{value:?}");
        assert_eq!(
            String::from_utf8_lossy(&received)
                .matches("HTTP/1.")
                .count(),
            1
        );
    }
}

/// The same two requests with valid framing get two responses.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start(&[]);
    for (framing, body) in [
        ("Content-Length: 12", BODY),
        ("Transfer-Encoding: chunked", CHUNKED_BODY),
    ] {
        let mut connection = Connection::open(server.http);
        connection.write(create_with(framing, body).as_bytes());
        let created = connection.reply().expect(200);
        server.assert_holds(&created.text("id"), "x", &created.text("sequence_token"));
        assert_eq!(
            connection.reply().expect(200).json()["create_available"],
            true
        );
    }
}
