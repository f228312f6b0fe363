//! One sign-in's use of a session of the ETag dialect, each request on a connection of its own.

use crate::doctor::check::{CheckId, Outcome, Problem, fail, needs, warn};
use crate::doctor::checks::creation::no_etag;
use crate::doctor::client::{Answer, Call};
use crate::doctor::diagnosis::{describe, matrix_error, media_type, unexpected};
use crate::doctor::examination::{Examination, Mailbox, message, single_header};
use hyper::header::{
    ACCEPT_ENCODING, AGE, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use hyper::{Method, StatusCode};
use std::time::Duration;

/// Reads of `one_store`. If two replicas do not share a store, one run of a million does not see it.
const READS: usize = 20;

/// The longest hold that can be configured, and half a second for the way.
const MAX_HOLD: Duration = Duration::from_millis(10_500);

const COMPRESSION: &str = "turn compression, charset and rewriting off for these paths \
                           (docs/routing.md has the lines for each proxy)";
const CACHE: &str = "exempt these paths from every cache: a CDN's \"cache everything\", \
                     proxy_cache, proxy_ignore_headers";

/// Reads the session as a client does that accepts compression.
pub(super) async fn read(exam: &mut Examination) -> Outcome {
    const WHY: &str = "each device reads the other's message by this request";
    let mailbox = exam.mailbox()?;
    let call = Call::get(&mailbox.url).header(ACCEPT_ENCODING, "gzip, br, zstd");
    let answer = exam.call(call, WHY).await?;
    let request = format!("GET {}", mailbox.url.path());
    if answer.status != StatusCode::OK {
        return Err(unexpected(&request, &answer, "200", WHY));
    }
    let content_type = single_header(&answer, &CONTENT_TYPE).unwrap_or_default();
    if content_type != "text/plain" {
        return Err(fail(
            format!("{request}: Content-Type is \"{content_type}\"; expected exactly text/plain"),
            "apps give up at once, and web clients wait for ever",
            "nginx: charset off; Apache: AddDefaultCharset Off, for these paths",
        ));
    }
    let etag = single_header(&answer, &ETAG).ok_or_else(|| no_etag(&request))?;
    check_body(&request, &mailbox, &answer)?;
    check_etag(exam, &request, &mailbox.etag, etag)?;
    Ok("200 text/plain with one ETag".to_owned())
}

/// Compares the entity tag of a read with that of the creation. From here on the changed one is used,
/// as a client does.
fn check_etag(
    exam: &mut Examination,
    request: &str,
    created: &str,
    read: String,
) -> Result<(), Problem> {
    if read == created {
        return Ok(());
    }
    let what = format!("{request}: the ETag is {read}, and it was {created} at the creation");
    let is_understood = read.contains(created.trim_matches('"'));
    if let Some(mailbox) = &mut exam.mailbox {
        mailbox.etag = read;
    }
    if is_understood {
        let why = "matrix-rendezvous understands ETags with W/ or a suffix; other servers do not";
        return Err(warn(what, why, COMPRESSION));
    }
    let why = "devices compare ETags: another one means a new message";
    Err(fail(what, why, COMPRESSION))
}

/// Checks that a response carries the session's payload.
fn check_body(request: &str, mailbox: &Mailbox, answer: &Answer) -> Result<(), Problem> {
    if answer.body == mailbox.payload.as_bytes() {
        return Ok(());
    }
    let encoding = single_header(answer, &CONTENT_ENCODING);
    if let Some(encoding) = encoding.filter(|encoding| encoding != "identity") {
        return Err(warn(
            format!("{request}: the proxy compresses (Content-Encoding: {encoding})"),
            "proxies that compress change or remove the ETag, and servers other than \
             matrix-rendezvous then lose sign-ins",
            COMPRESSION,
        ));
    }
    let age = single_header(answer, &AGE);
    let age = age.map_or(String::new(), |age| format!(" (Age: {age})"));
    Err(fail(
        format!(
            "{request}: the response has another payload than the session{age}: {} bytes; expected {}",
            answer.body.len(),
            mailbox.payload.len()
        ),
        "a device reads an old message, or none of its sign-in",
        CACHE,
    ))
}

/// Polls for a message that has not come.
pub(super) async fn not_modified(exam: &mut Examination) -> Outcome {
    const WHY: &str = "while a device waits it gets this response once a second";
    let mailbox = exam.mailbox()?;
    let call = Call::get(&mailbox.url).header(IF_NONE_MATCH, &mailbox.etag);
    let answer = exam.call(call, WHY).await?;
    let request = format!("GET {} with If-None-Match", mailbox.url.path());
    if answer.status == StatusCode::OK {
        return Err(fail(
            format!("{request}: 200 instead of 304"),
            "the device takes the old message for a new one, and the sign-in ends",
            "let the proxy forward If-None-Match and ETag unchanged; turn compression off for these \
             paths",
        ));
    }
    if answer.status != StatusCode::NOT_MODIFIED {
        return Err(unexpected(&request, &answer, "304", WHY));
    }
    let required = [
        ("ETag", &ETAG),
        ("Expires", &EXPIRES),
        ("Last-Modified", &LAST_MODIFIED),
    ];
    let missing: Vec<_> = required
        .iter()
        .filter(|(_, name)| single_header(&answer, name).is_none())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(fail(
            format!(
                "{request}: the 304 has no {}, or several",
                missing.join(", ")
            ),
            "apps (matrix-sdk) end the sign-in at a 304 without ETag, Expires and Last-Modified",
            "let the proxy forward these header fields of a 304",
        ));
    }
    Ok("304 with ETag, Expires and Last-Modified".to_owned())
}

/// Reads the session again and again, so that a load balancer uses every replica.
pub(super) async fn one_store(exam: &mut Examination) -> Outcome {
    const WHY: &str = "a sign-in reads about once a second, and one wrong response ends it";
    let mailbox = exam.mailbox()?;
    let request = format!("GET {}", mailbox.url.path());
    for number in 1..=READS {
        let answer = exam.call(Call::get(&mailbox.url), WHY).await?;
        let request = format!("{request}, read {number} of {READS} on new connections");
        if answer.status == StatusCode::NOT_FOUND {
            return Err(fail(
                format!("{request}: {}", describe(&answer)),
                "replicas do not share one store: half of the requests of a sign-in find no session",
                "set store.backend = \"redis\" and the same store.redis.url for every replica; a \
                 homeserver with several workers: route the prefix to one place",
            ));
        }
        if answer.status != StatusCode::OK {
            return Err(unexpected(&request, &answer, "200", WHY));
        }
    }
    Ok(format!(
        "{READS} reads on {READS} connections found the session"
    ))
}

/// Writes the other device's answer.
pub(super) async fn write(exam: &mut Examination) -> Outcome {
    const WHY: &str = "each device sends its messages by this request";
    let mailbox = exam.mailbox()?;
    let payload = message(2);
    let answer = exam.put(&mailbox.url, &mailbox.etag, &payload, WHY).await?;
    let request = format!("PUT {} with If-Match", mailbox.url.path());
    if answer.status == StatusCode::PRECONDITION_FAILED {
        return Err(fail(
            format!(
                "{request}: 412, for the ETag {} that was just received",
                mailbox.etag
            ),
            "no device can send its first message",
            "turn off what changes ETags in the proxy: compression, rewriting of bodies",
        ));
    }
    if answer.status != StatusCode::ACCEPTED {
        return Err(unexpected(&request, &answer, "202", WHY));
    }
    let etag = single_header(&answer, &ETAG).ok_or_else(|| no_etag(&request))?;
    if etag == mailbox.etag {
        return Err(fail(
            format!("{request}: 202 with the ETag before the write"),
            "the device takes its own message for the other's",
            CACHE,
        ));
    }
    exam.record_write(payload, &answer);
    Ok("202 with a new ETag".to_owned())
}

/// Reads what was written, on another connection.
pub(super) async fn read_after_write(exam: &mut Examination) -> Outcome {
    const WHY: &str = "each device waits for the other's message";
    let mailbox = exam.mailbox()?;
    if mailbox.previous_etag.is_none() {
        return Err(needs(CheckId::Write));
    }
    let answer = exam.call(Call::get(&mailbox.url), WHY).await?;
    let request = format!("GET {} after a PUT", mailbox.url.path());
    if answer.status != StatusCode::OK {
        return Err(unexpected(&request, &answer, "200", WHY));
    }
    if answer.body == message(1) {
        let age = single_header(&answer, &AGE);
        let age = age.map_or(String::new(), |age| format!(" (Age: {age})"));
        return Err(fail(
            format!("{request}: the response has the payload before the write{age}"),
            "a cache answers: both devices wait for messages that were sent",
            CACHE,
        ));
    }
    check_body(&request, &mailbox, &answer)?;
    Ok("a new connection reads the new payload".to_owned())
}

/// Polls right after a write, when this service may hold the response.
pub(super) async fn held_read(exam: &mut Examination) -> Outcome {
    const WHY: &str = "matrix-rendezvous answers such a read after up to 2 s \
                       (msc4108.long_poll.timeout), and no client retries one that is cut";
    let mailbox = exam.mailbox()?;
    if mailbox.previous_etag.is_none() {
        return Err(needs(CheckId::Write));
    }
    let call = Call::get(&mailbox.url).header(IF_NONE_MATCH, &mailbox.etag);
    let answer = exam.call(call, WHY).await?;
    let request = format!(
        "GET {} with If-None-Match after a write",
        mailbox.url.path()
    );
    if answer.status != StatusCode::NOT_MODIFIED {
        return Err(unexpected(&request, &answer, "304", WHY));
    }
    let seconds = answer.elapsed.as_secs_f64();
    if answer.elapsed > MAX_HOLD {
        return Err(warn(
            format!("{request}: 304 after {seconds:.1} s"),
            "a sign-in waits for that long after each message",
            "lower msc4108.long_poll.timeout, or find what delays responses",
        ));
    }
    Ok(format!("304 after {seconds:.1} s"))
}

/// Writes over a message that is no longer there.
pub(super) async fn conflict(exam: &mut Examination) -> Outcome {
    const WHY: &str = "two devices that write at once must not lose a message";
    let mailbox = exam.mailbox()?;
    let stale = mailbox.previous_etag.clone();
    let stale = stale.ok_or_else(|| needs(CheckId::Write))?;
    let answer = exam.put(&mailbox.url, &stale, &message(3), WHY).await?;
    let request = format!("PUT {} with an old If-Match", mailbox.url.path());
    if answer.status != StatusCode::PRECONDITION_FAILED {
        return Err(unexpected(&request, &answer, "412", WHY));
    }
    if matrix_error(&answer).is_none() {
        let expected = "412 with a Matrix error in JSON";
        return Err(unexpected(&request, &answer, expected, WHY));
    }
    if single_header(&answer, &ETAG).is_none() {
        return Err(no_etag(&request));
    }
    Ok("412 with JSON and ETag".to_owned())
}

/// Deletes the session, and looks for it.
pub(super) async fn delete(exam: &mut Examination) -> Outcome {
    const WHY: &str = "a client that ends a sign-in deletes its session";
    const GONE: &str = "clients say \"expired\" at a 404 with JSON, and fail at any other response";
    let mailbox = exam.mailbox()?;
    let answer = exam
        .call(Call::new(Method::DELETE, &mailbox.url), WHY)
        .await?;
    let request = format!("DELETE {}", mailbox.url.path());
    if answer.status != StatusCode::NO_CONTENT {
        return Err(unexpected(&request, &answer, "204", WHY));
    }
    if let Some(mailbox) = &mut exam.mailbox {
        mailbox.is_deleted = true;
    }
    let answer = exam.call(Call::get(&mailbox.url), GONE).await?;
    let request = format!("GET {} after a DELETE", mailbox.url.path());
    if answer.status == StatusCode::OK {
        let what = format!("{request}: 200; expected 404");
        return Err(fail(what, "a cache answers for sessions that ended", CACHE));
    }
    if answer.status != StatusCode::NOT_FOUND {
        return Err(unexpected(&request, &answer, "404", GONE));
    }
    if media_type(&answer) != "application/json" || matrix_error(&answer).is_none() {
        let what = format!(
            "{request}: {}; expected a Matrix error in JSON",
            describe(&answer)
        );
        let action = "let the proxy forward error responses: no proxy_intercept_errors (nginx), \
                      ErrorDocument (Apache) or errorfile (haproxy) for these paths";
        return Err(fail(what, GONE, action));
    }
    Ok("204, then 404 with JSON".to_owned())
}
