//! The limits of payload and body, and their errors.
//!
//! R0.17 to R0.19, R1.37, R1.38, and the 413 that reaches a client which is still sending. The
//! payload is measured after JSON decoding, the body on the wire.

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at, body};
use testkit::http::{Connection, Reply, Request};

/// The largest payload, in bytes of UTF-8.
const PAYLOAD: usize = 4096;
/// The largest body on the wire.
const ENVELOPE: usize = 32 * 1024;

on_both_stores! {
    payload_of_4096_bytes_is_accepted_in_any_escaping,
    payload_of_4097_bytes_is_too_large,
    payload_limit_counts_bytes,
    body_of_32_kib_is_accepted,
    body_over_32_kib_is_too_large,
    large_content_length_is_rejected_before_the_body,
    no_100_continue_for_a_rejected_body,
    large_chunked_body_is_rejected_at_the_limit,
    client_still_sending_receives_the_413,
    bytes_after_the_413_are_discarded,
    client_that_never_stops_sending_is_cut,
    early_response_reaches_a_client_still_sending,
    chunked_body_within_the_limit_is_accepted,
}

/// The same payload in several encodings.
fn spellings(data: &str) -> [String; 2] {
    let units: Vec<_> = data
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    [json!(data).to_string(), format!("\"{}\"", units.concat())]
}

/// A body for every request: creation ignores the token.
fn enveloped(token: &str, data: &str) -> String {
    format!(r#"{{"sequence_token":"{token}","data":{data}}}"#)
}

// R1.37, R1.38
fn payload_of_4096_bytes_is_accepted_in_any_escaping(server: &Server) {
    let four_bytes_each = "😀".repeat(PAYLOAD / 4);
    let two_bytes_each = "ä".repeat(PAYLOAD / 2);
    for data in [
        "x".repeat(PAYLOAD),
        "\u{1}".repeat(PAYLOAD),
        four_bytes_each,
        two_bytes_each,
    ] {
        for spelling in spellings(&data) {
            let create = Request::post(UNSTABLE).body(format!(r#"{{"data":{spelling}}}"#));
            let created = server.call(&create).expect(200);
            let (id, token) = (created.text("id"), created.text("sequence_token"));
            server.assert_holds(&id, &data, &token);
            let write = Request::put(&at(&id)).body(enveloped(&token, &spelling));
            let written = server.call(&write).expect(200).text("sequence_token");
            server.assert_holds(&id, &data, &written);
        }
    }
}

#[track_caller]
fn refused_everywhere(server: &Server, body: impl Fn(&str) -> String) {
    server
        .call(&Request::post(UNSTABLE).body(body("t")))
        .expect_error(413, "M_TOO_LARGE");
    let session = server.create("before");
    for path in [at(&session.id), format!("{}/txn", at(&session.id))] {
        let write = Request::put(&path).body(body(&session.token));
        server.call(&write).expect_error(413, "M_TOO_LARGE");
        server.assert_holds(&session.id, "before", &session.token);
    }
}

// R1.37
fn payload_of_4097_bytes_is_too_large(server: &Server) {
    for spelling in spellings(&"x".repeat(PAYLOAD + 1)) {
        refused_everywhere(server, |token| enveloped(token, &spelling));
    }
}

// R1.37
fn payload_limit_counts_bytes(server: &Server) {
    for data in ["ä".repeat(PAYLOAD / 2) + "x", "漢".repeat(PAYLOAD / 3 + 1)] {
        for spelling in spellings(&data) {
            refused_everywhere(server, |token| enveloped(token, &spelling));
        }
    }
}

fn padded(body: &str, length: usize) -> String {
    format!("{body:<length$}")
}

// R0.17
fn body_of_32_kib_is_accepted(server: &Server) {
    let create = Request::post(UNSTABLE).body(padded(r#"{"data":"x"}"#, ENVELOPE));
    let created = server.call(&create).expect(200);
    let write = padded(
        &body(&created.text("sequence_token"), "y").to_string(),
        ENVELOPE,
    );
    server
        .call(&Request::put(&at(&created.text("id"))).body(write))
        .expect(200);
}

// R0.17
fn body_over_32_kib_is_too_large(server: &Server) {
    refused_everywhere(server, |token| {
        padded(&body(token, "x").to_string(), ENVELOPE + 1)
    });
    let reply = server.call(&Request::post(UNSTABLE).body(vec![b' '; ENVELOPE + 1]));
    assert!(reply.says_close(), "{reply}");
}

/// A request up to the end of its head.
fn head(request: &Request, framing: &str) -> Vec<u8> {
    let mut bytes = request.bytes();
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(format!("{framing}\r\n\r\n").as_bytes());
    bytes
}

#[track_caller]
fn expect_413_and_close(mut connection: Connection) -> Reply {
    let reply = connection.reply().expect_error(413, "M_TOO_LARGE");
    reply.assert_common_headers();
    assert!(reply.says_close(), "{reply}");
    assert_eq!(String::from_utf8_lossy(&connection.read_to_close()), "");
    reply
}

// R0.17, R0.18
fn large_content_length_is_rejected_before_the_body(server: &Server) {
    for length in [
        (ENVELOPE + 1).to_string(),
        "4294967296".into(),
        u64::MAX.to_string(),
    ] {
        let mut connection = Connection::open(server.http);
        let create = Request::new("POST", UNSTABLE);
        connection.write(&head(&create, &format!("Content-Length: {length}")));
        if length == u64::MAX.to_string() {
            // HTTP libraries reject such a length; in any case the connection ends.
            assert!(!connection.read_to_close().starts_with(b"HTTP/1.1 2"));
        } else {
            expect_413_and_close(connection);
        }
    }
}

fn no_100_continue_for_a_rejected_body(server: &Server) {
    let create = Request::new("POST", UNSTABLE).header("Expect", "100-continue");
    let mut connection = Connection::open(server.http);
    connection.write(&head(&create, &format!("Content-Length: {}", ENVELOPE + 1)));
    expect_413_and_close(connection);

    let mut connection = Connection::open(server.http);
    let body = br#"{"data":"x"}"#;
    connection.write(&head(&create, &format!("Content-Length: {}", body.len())));
    assert_eq!(connection.reply().status, 100);
    connection.write(body);
    connection.reply().expect(200);
}

// R0.18
fn large_chunked_body_is_rejected_at_the_limit(server: &Server) {
    let mut connection = Connection::open(server.http);
    connection.write(&head(
        &Request::new("POST", UNSTABLE),
        "Transfer-Encoding: chunked",
    ));
    for _ in 0..=ENVELOPE / 1024 {
        connection.write(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
    }
    // The last chunk is never sent.
    expect_413_and_close(connection);
}

// R0.19
fn client_still_sending_receives_the_413(server: &Server) {
    for (path, method) in [
        (UNSTABLE.to_owned(), "POST"),
        (at(&server.create("x").id), "PUT"),
    ] {
        for mebibytes in [1, 3] {
            let mut connection = Connection::open(server.http);
            let length = mebibytes << 20;
            let head = head(
                &Request::new(method, &path),
                &format!("Content-Length: {length}"),
            );
            connection.write(&head);
            connection.write(&vec![b'x'; length]);
            expect_413_and_close(connection);
        }
    }
}

/// The server has sent its response, and closing now would reset the client in the middle of its
/// body. Repeated, because all of the body may have left the client before it sees a reset.
// R0.19
fn bytes_after_the_413_are_discarded(server: &Server) {
    for _ in 0..16 {
        let mut connection = Connection::open(server.http);
        let create = Request::new("POST", UNSTABLE);
        connection.write(&head(&create, &format!("Content-Length: {}", 1 << 20)));
        connection.reply().expect_error(413, "M_TOO_LARGE");
        assert_eq!(String::from_utf8_lossy(&connection.read_to_close()), "");
        for _ in 0..64 {
            connection.write(&[b'x'; 16 * 1024]);
        }
    }
}

/// The number of discarded bytes is bounded too: 4 MiB, plus the buffers of two sockets.
// R0.19
fn client_that_never_stops_sending_is_cut(server: &Server) {
    let mut connection = Connection::open(server.http);
    let framing = "Transfer-Encoding: chunked";
    connection.write(&head(&Request::new("POST", UNSTABLE), framing));
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    assert!(!connection.takes(chunk.as_bytes(), 1024), "it took 64 MiB");
}

fn early_response_reaches_a_client_still_sending(server: &Server) {
    for path in ["/unknown", &at("a+b")] {
        let mut connection = Connection::open(server.http);
        let head = head(&Request::new("PUT", path), "Content-Length: 1048576");
        connection.write(&head);
        connection.write(&vec![b'x'; 1 << 20]);
        let reply = connection.reply();
        assert!([404, 413].contains(&reply.status), "{reply}");
    }
}

fn chunked_body_within_the_limit_is_accepted(server: &Server) {
    let mut connection = Connection::open(server.http);
    connection.write(&head(
        &Request::new("POST", UNSTABLE),
        "Transfer-Encoding: chunked",
    ));
    for part in ["{\"da", "ta\":\"", "chunked", "\"}"] {
        connection.write(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes());
    }
    connection.write(b"0\r\n\r\n");
    let reply = connection.reply().expect(200);
    server.assert_holds(&reply.text("id"), "chunked", &reply.text("sequence_token"));
}
