//! Entity tags that a proxy, a list or a client changed on the way.

use crate::server::{Server, on_both_stores};
use testkit::etag::Mailbox;

on_both_stores! {
    with ["msc4108.enabled" = "true"];
    mangled_etag_still_matches,
    one_matching_list_entry_is_enough,
    star_is_304_on_read_and_412_on_write,
}

/// The changes of an ETag between the client and the server.
fn mangled(etag: &str) -> Vec<String> {
    let token = etag.trim_matches('"');
    vec![
        token.to_owned(),
        format!("W/{etag}"),
        format!("W/\"{token}-gzip\""),
        format!("\"{token}-gzip\""),
        format!("\"{token}--gzip\""),
        format!("\"{token};gzip\""),
        format!("\"{token}-br\""),
        format!("\"{token}-zstd\""),
        format!("\"{token}-deflate\""),
        format!("{etag}-gzip"),
    ]
}

// R2.21
fn mangled_etag_still_matches(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let mut etag = mailbox.etag.clone();
    for changed in mangled(&mailbox.etag) {
        let reply = server.call(&mailbox.poll(&changed));
        assert_eq!(reply.status, 304, "{changed}: {reply}");
    }
    for number in 0..mangled(&etag).len() {
        let changed = &mangled(&etag)[number];
        let reply = server.call(&mailbox.put(changed, &number.to_string()));
        assert_eq!(reply.status, 202, "{changed}: {reply}");
        assert_ne!(reply.etag(), etag);
        etag = reply.etag();
    }
}

/// Two states of a session: the previous and the current one.
fn two_states(server: &Server) -> (Mailbox, String, String) {
    let mailbox = server.open_mailbox("one");
    let second = server
        .call(&mailbox.put(&mailbox.etag, "two"))
        .expect(202)
        .etag();
    let first = mailbox.etag.clone();
    (mailbox, first, second)
}

// R2.22, R2.23
fn one_matching_list_entry_is_enough(server: &Server) {
    let (mailbox, first, second) = two_states(server);
    let list = format!("\"other\", {first}, {second}");
    let reply = server.call(&mailbox.poll(&list)).expect(304);
    assert_eq!(reply.etag(), second);
    server
        .call(&mailbox.poll(&format!("\"other\", {first}")))
        .expect(200);
    let third = server.call(&mailbox.put(&list, "three")).expect(202).etag();
    server.assert_mailbox_holds(&mailbox, "three", &third);
    // None of them is current any more, and the data is new.
    let reply = server
        .call(&mailbox.put(&list, "four"))
        .expect_error(412, "M_UNKNOWN");
    assert_eq!(reply.etag(), third);
    // The ninth of a list is not read.
    let long = format!("{}{third}", "\"other\", ".repeat(8));
    server.call(&mailbox.poll(&long)).expect(200);
    server
        .call(&mailbox.put(&long, "four"))
        .expect_error(412, "M_UNKNOWN");
    server.assert_mailbox_holds(&mailbox, "three", &third);
}

// R2.24, R2.25
fn star_is_304_on_read_and_412_on_write(server: &Server) {
    let (mailbox, first, second) = two_states(server);
    for any in ["*", &format!("*, {first}"), &format!("{second}, *")] {
        let reply = server.call(&mailbox.poll(any)).expect(304);
        assert_eq!(reply.etag(), second, "{any}");
        let reply = server.call(&mailbox.put(any, "blindly"));
        let reply = reply.expect_error(412, "M_UNKNOWN");
        assert_eq!(reply.etag(), second, "{any}");
        reply.assert_dated();
    }
    server.assert_mailbox_holds(&mailbox, "two", &second);
}
