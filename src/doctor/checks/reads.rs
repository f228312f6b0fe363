//! The reads of a sign-in in the ETag dialect, each on a connection of its own.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs, warn};
use crate::doctor::check_context::{CheckContext, EtagSession, message, single_header};
use crate::doctor::checks::creation::no_etag;
use crate::doctor::diagnosis::{CACHE, describe, sender, unexpected};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use hyper::StatusCode;
use hyper::header::{
    AGE, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH, LAST_MODIFIED,
};
use std::time::Duration;

/// Reads of `one_store`. If one of two replicas has a store of its own, one run of a million does not see
/// it; if one of ten has, every eighth run.
const READS: usize = 20;

/// The longest hold that can be configured, and half a second for the way.
const MAX_HOLD: Duration = Duration::from_millis(10_500);

/// What to do if a condition of a request was lost on its way.
pub(super) const FORWARD_CONDITIONS: &str = "let the proxy forward If-None-Match and If-Match of requests: remove \
                                             proxy_set_header If-… \"\" (nginx), RequestHeader unset \
                                             (Apache) or http-request del-header (haproxy) for them";

const COMPRESSION: &str = "turn compression, charset and rewriting off for these paths \
                           (docs/routing.md has the lines for each proxy)";

/// Reads the session as a client does that accepts compression.
pub(super) async fn read(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "each device reads the other's message by this request";
    let session = context.etag_session()?;
    let call = ProbeRequest::get(&session.url).compressible();
    let response = context.call(call, WHY).await?;
    let request = format!("GET {}", session.url.path());
    if response.status != StatusCode::OK {
        return Err(unexpected(&request, &response, "200", WHY));
    }
    let content_type = single_header(&response, &CONTENT_TYPE).unwrap_or_default();
    if content_type != "text/plain" {
        return Err(fail(
            format!("{request}: Content-Type is \"{content_type}\"; expected exactly text/plain"),
            "apps give up at once, and web clients wait for ever",
            "nginx: charset off; Apache: AddDefaultCharset Off, for these paths",
        ));
    }
    let etag = single_header(&response, &ETAG).ok_or_else(|| no_etag(&request))?;
    check_etag(context, &request, &session.etag, etag)?;
    check_body(&request, &session, &response)?;
    Ok("200 text/plain with one ETag".to_owned())
}

/// Compares the entity tag of a read with that of the creation. From here on the changed one is used,
/// as a client does.
fn check_etag(
    context: &mut CheckContext,
    request: &str,
    created: &str,
    read: String,
) -> Result<(), Problem> {
    if read == created {
        return Ok(());
    }
    let what = format!("{request}: the ETag is {read}, and it was {created} at the creation");
    let is_understood = read.contains(created.trim_matches('"'));
    if let Some(session) = &mut context.etag_session {
        session.etag = read;
    }
    if is_understood {
        let why = "matrix-rendezvous understands ETags with W/ or a suffix; other servers do not";
        return Err(warn(what, why, COMPRESSION));
    }
    let why = "devices compare ETags: another one means a new message";
    Err(fail(what, why, COMPRESSION))
}

/// Checks that a response carries the session's payload.
fn check_body(
    request: &str,
    session: &EtagSession,
    response: &ProbeResponse,
) -> Result<(), Problem> {
    if response.body == session.payload.as_bytes() {
        return Ok(());
    }
    let encoding = single_header(response, &CONTENT_ENCODING);
    if let Some(encoding) = encoding.filter(|encoding| encoding != "identity") {
        return Err(warn(
            format!("{request}: the proxy compresses (Content-Encoding: {encoding})"),
            "proxies that compress change or remove the ETag, and servers other than \
             matrix-rendezvous then lose sign-ins",
            COMPRESSION,
        ));
    }
    let age = age_of(response);
    Err(fail(
        format!(
            "{request}: the response has another payload than the session{age}: {} bytes; expected {}",
            response.body.len(),
            session.payload.len()
        ),
        "a device reads an old message, or none of its sign-in",
        CACHE,
    ))
}

/// Returns the age that a cache gave a response, in words.
fn age_of(response: &ProbeResponse) -> String {
    let age = single_header(response, &AGE);
    age.map_or(String::new(), |age| format!(" (Age: {age})"))
}

/// Polls for a message that has not come.
pub(super) async fn not_modified(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "while a device waits it gets this response once a second";
    let session = context.etag_session()?;
    let call = ProbeRequest::get(&session.url)
        .compressible()
        .header(IF_NONE_MATCH, &session.etag);
    let response = context.call(call, WHY).await?;
    let request = format!("GET {} with If-None-Match", session.url.path());
    if response.status == StatusCode::OK {
        let etag = single_header(&response, &ETAG);
        let is_same = etag.as_ref() == Some(&session.etag);
        let (etag, action) = match etag {
            _ if is_same => ("the ETag that was sent".to_owned(), FORWARD_CONDITIONS),
            Some(other) => (
                format!("ETag {other} instead of {}", session.etag),
                COMPRESSION,
            ),
            None => ("no ETag, or several".to_owned(), COMPRESSION),
        };
        return Err(fail(
            format!(
                "{request}: 200{} instead of 304, with {etag}",
                sender(&response)
            ),
            "the device takes the old message for a new one, and the sign-in ends",
            action,
        ));
    }
    if response.status != StatusCode::NOT_MODIFIED {
        return Err(unexpected(&request, &response, "304", WHY));
    }
    let required = [
        ("ETag", &ETAG),
        ("Expires", &EXPIRES),
        ("Last-Modified", &LAST_MODIFIED),
    ];
    let missing: Vec<_> = required
        .iter()
        .filter(|(_, name)| single_header(&response, name).is_none())
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
pub(super) async fn one_store(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "a sign-in reads about once a second, and one wrong response ends it";
    let session = context.etag_session()?;
    let request = format!("GET {}", session.url.path());
    let (mut lost, mut first_lost) = (0, None);
    for number in 1..=READS {
        let response = context
            .call(ProbeRequest::get(&session.url).compressible(), WHY)
            .await?;
        let request = format!("{request}, read {number} of {READS} on new connections");
        if response.status == StatusCode::NOT_FOUND {
            lost += 1;
            first_lost.get_or_insert(response);
        } else if response.status != StatusCode::OK {
            return Err(unexpected(&request, &response, "200", WHY));
        }
    }
    if let Some(response) = first_lost {
        let action = if response.is_ours {
            "set store.backend = \"redis\" (the default is memory), with the same store.redis.url and \
             store.redis.prefix for every replica; doctor --replica compares them"
        } else {
            "let the proxy forward every request of this prefix to one service: matrix-rendezvous, or one \
             worker of the homeserver"
        };
        let found = describe(&response);
        return Err(fail(
            format!("{request}, {lost} of {READS} reads on new connections: {found}"),
            "replicas do not share one store: a request that meets another replica finds no session",
            action,
        ));
    }
    Ok(format!(
        "{READS} reads on {READS} connections, from this address, found the session"
    ))
}

/// Reads what was written, on another connection.
pub(super) async fn read_after_write(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "each device waits for the other's message";
    let session = context.etag_session()?;
    if session.previous_etag.is_none() {
        return Err(needs(CheckId::Write));
    }
    let response = context
        .call(ProbeRequest::get(&session.url).compressible(), WHY)
        .await?;
    let request = format!("GET {} after a PUT", session.url.path());
    if response.status != StatusCode::OK {
        return Err(unexpected(&request, &response, "200", WHY));
    }
    if response.body == message(1) {
        let age = age_of(&response);
        return Err(fail(
            format!("{request}: the response has the payload before the write{age}"),
            "a cache answers: both devices wait for messages that were sent",
            CACHE,
        ));
    }
    check_body(&request, &session, &response)?;
    Ok("a new connection reads the new payload".to_owned())
}

/// Polls right after a write, when this service may hold the response.
pub(super) async fn held_read(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "matrix-rendezvous answers such a read after up to 2 s \
                       (msc4108.long_poll.timeout), and no client retries one that is cut";
    let session = context.etag_session()?;
    if session.previous_etag.is_none() {
        return Err(needs(CheckId::Write));
    }
    let call = ProbeRequest::get(&session.url)
        .compressible()
        .header(IF_NONE_MATCH, &session.etag);
    let response = context.call(call, WHY).await?;
    let request = format!(
        "GET {} with If-None-Match after a write",
        session.url.path()
    );
    if response.status != StatusCode::NOT_MODIFIED {
        return Err(unexpected(&request, &response, "304", WHY));
    }
    let seconds = response.elapsed.as_secs_f64();
    if response.elapsed > MAX_HOLD {
        return Err(warn(
            format!("{request}: 304 after {seconds:.1} s"),
            "a sign-in waits for that long after each message",
            "lower msc4108.long_poll.timeout, or find what delays responses",
        ));
    }
    Ok(format!("304 after {seconds:.1} s"))
}
