//! The rules of the ETag dialect, by one session from creation to deletion.

use crate::doctor::conformance::etag_rejections;
use crate::doctor::conformance::trial::{Trial, header, is_error, rule};
use crate::doctor::diagnosis::describe;
use crate::doctor::exchange::{ProbeRequest, ProbeResponse, redirect_target};
use crate::doctor::target::join;
use crate::http::route::MSC4108_PREFIX;
use crate::json;
use hyper::Method;
use hyper::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use url::Url;

/// Tries every rule. Returns the prefix that was tried, and why the rules after some point were not.
pub(super) async fn try_all(trial: &mut Trial<'_>, base: &Url) -> (Url, Result<(), String>) {
    let mut prefix = join(base, MSC4108_PREFIX);
    let ended = try_rules(trial, &mut prefix).await;
    trial.judge_every_response();
    (prefix, ended)
}

async fn try_rules(trial: &mut Trial<'_>, prefix: &mut Url) -> Result<(), String> {
    let session = create(trial, prefix).await?;
    try_reads(trial, &session).await?;
    let written = try_writes(trial, &session).await?;
    try_changed_tags(trial, &session.url, &written).await?;
    etag_rejections::try_bad_requests(trial, &session.url).await?;
    etag_rejections::try_other_methods(trial, &session.url).await?;
    try_end(trial, &session.url).await?;
    judge_headers(trial);
    Ok(())
}

/// The session of the trial.
struct TriedEtagSession {
    url: Url,
    /// The entity tag of its creation.
    etag: String,
    expires: String,
}

async fn create(trial: &mut Trial<'_>, prefix: &mut Url) -> Result<TriedEtagSession, String> {
    let call = |url: &Url| ProbeRequest::new(Method::POST, url).text("one");
    let mut response = trial.send(call(prefix)).await?;
    // A delegation: the rules are those of the service behind it.
    let kept_body = [307, 308].contains(&response.status.as_u16());
    if let (true, Some(target)) = (kept_body, redirect_target(&response)) {
        *prefix = target;
        response = trial.send(call(prefix)).await?;
    }
    let url = json::parse_value(&response.body).ok();
    let url = url.and_then(|value| Url::parse(value["url"].as_str()?).ok());
    let Some(url) = url.filter(|_| response.status == 201) else {
        return Err(format!("not served: POST {}", describe(&response)));
    };
    let is_complete = ["etag", "expires", "last-modified"]
        .iter()
        .all(|name| response.headers.contains_key(*name));
    trial.judge(
        rule(
            "R2.3",
            "POST: 201, with url, ETag, Expires and Last-Modified",
        ),
        &response,
        is_complete,
    );
    let id = url
        .path_segments()
        .and_then(Iterator::last)
        .unwrap_or_default();
    trial.judge(
        rule("R0.21", "a session id has at least 20 characters"),
        &response,
        id.len() >= 20,
    );
    Ok(TriedEtagSession {
        url,
        etag: header(&response, "etag").to_owned(),
        expires: header(&response, "expires").to_owned(),
    })
}

async fn try_reads(trial: &mut Trial<'_>, session: &TriedEtagSession) -> Result<(), String> {
    let url = &session.url;
    let read = trial.send(ProbeRequest::get(url)).await?;
    let is_payload = read.status == 200 && read.body == "one";
    trial.judge(rule("R2.4", "GET: 200 with the payload"), &read, is_payload);
    trial.judge(
        rule("R2.18", "GET: Content-Type is text/plain, exactly"),
        &read,
        header(&read, "content-type") == "text/plain",
    );
    trial.judge(
        rule("R2.10", "GET: the current ETag"),
        &read,
        header(&read, "etag") == session.etag,
    );
    let poll = trial.send(poll(url, &session.etag)).await?;
    trial.judge(
        rule("R2.4", "GET with the current If-None-Match: 304"),
        &poll,
        poll.status == 304,
    );
    trial.judge(
        rule("R2.20", "304: Content-Type is text/plain"),
        &poll,
        header(&poll, "content-type") == "text/plain",
    );
    let any = trial.send(self::poll(url, "*")).await?;
    trial.judge(
        rule("R2.24", "If-None-Match: * is 304"),
        &any,
        any.status == 304,
    );
    let weak = trial
        .send(self::poll(url, &format!("W/{}", session.etag)))
        .await?;
    trial.judge(
        rule("R2.21", "If-None-Match with W/ in front: 304"),
        &weak,
        weak.status == 304,
    );
    let navigate = HeaderName::from_static("sec-fetch-mode");
    let page = ProbeRequest::get(url).header(navigate, "navigate");
    let page = trial.send(page).await?;
    trial.judge(
        rule("R0.26", "the load of a page: 403 M_FORBIDDEN"),
        &page,
        is_error(&page, 403, "M_FORBIDDEN"),
    );
    let query = format!("{url}?unknown=1");
    let query = Url::parse(&query).map_err(|error| error.to_string())?;
    let query = trial.send(ProbeRequest::get(&query)).await?;
    trial.judge(
        rule("R1.12", "unknown query parameters are ignored"),
        &query,
        query.status == 200,
    );
    Ok(())
}

/// Returns the current entity tag.
async fn try_writes(trial: &mut Trial<'_>, session: &TriedEtagSession) -> Result<String, String> {
    let url = &session.url;
    let first = &session.etag;
    let two = trial.send(put(url, first, "two")).await?;
    let second = header(&two, "etag").to_owned();
    trial.judge(
        rule(
            "R2.32",
            "PUT with the current If-Match: 202 with a new ETag",
        ),
        &two,
        two.status == 202 && !second.is_empty() && second != *first,
    );
    trial.judge(
        rule("R0.22", "a write does not change Expires"),
        &two,
        header(&two, "expires") == session.expires,
    );
    let same = trial.send(put(url, first, "two")).await?;
    trial.judge(
        rule(
            "R2.33",
            "PUT with an old If-Match and the current payload: 202",
        ),
        &same,
        same.status == 202 && header(&same, "etag") == second,
    );
    let three = trial.send(put(url, &second, "three")).await?;
    let third = header(&three, "etag").to_owned();
    let retry = trial.send(put(url, first, "two")).await?;
    trial.judge(
        rule(
            "R2.34",
            "the retry of a write before the last one: 202 with its ETag",
        ),
        &retry,
        retry.status == 202 && header(&retry, "etag") == second,
    );
    let stale = trial.send(put(url, first, "other")).await?;
    let value = json::parse_value(&stale.body).unwrap_or_default();
    trial.judge(
        rule(
            "R2.36",
            "PUT with an old If-Match: 412, M_UNKNOWN with M_CONCURRENT_WRITE",
        ),
        &stale,
        is_error(&stale, 412, "M_UNKNOWN")
            && value["org.matrix.msc4108.errcode"] == "M_CONCURRENT_WRITE",
    );
    trial.judge(
        rule("R2.10", "412: the current ETag"),
        &stale,
        header(&stale, "etag") == third,
    );
    let blind = trial.send(put(url, "*", "blind")).await?;
    trial.judge(
        rule("R2.25", "PUT with If-Match: * is 412"),
        &blind,
        blind.status == 412,
    );
    Ok(third)
}

/// Entity tags as proxies change them. Each write is applied, so the tag changes each time.
async fn try_changed_tags(trial: &mut Trial<'_>, url: &Url, current: &str) -> Result<(), String> {
    let mut current = current.to_owned();
    for (expected, change) in [
        (
            "If-Match with W/ in front is understood",
            (|tag: &str| format!("W/{tag}")) as fn(&str) -> String,
        ),
        ("If-Match with -gzip at its end is understood", |tag| {
            format!("{}-gzip\"", tag.trim_end_matches('"'))
        }),
        ("If-Match without quotes is understood", |tag| {
            tag.trim_matches('"').to_owned()
        }),
    ] {
        let written = trial.send(put(url, &change(&current), expected)).await?;
        let is_kept = written.status == 202;
        trial.judge(rule("R2.21", expected).known("R4.10"), &written, is_kept);
        if is_kept {
            header(&written, "etag").clone_into(&mut current);
        }
    }
    Ok(())
}

async fn try_end(trial: &mut Trial<'_>, url: &Url) -> Result<(), String> {
    let deleted = trial.send(ProbeRequest::new(Method::DELETE, url)).await?;
    trial.judge(rule("R2.6", "DELETE: 204"), &deleted, deleted.status == 204);
    let gone = trial.send(ProbeRequest::get(url)).await?;
    trial.judge(
        rule("R0.7", "a session that does not exist: 404 M_NOT_FOUND"),
        &gone,
        is_error(&gone, 404, "M_NOT_FOUND"),
    );
    trial.judge(
        rule("R2.12", "404: no ETag"),
        &gone,
        !gone.headers.contains_key(ETAG),
    );
    Ok(())
}

/// Judges the header fields of all responses so far.
fn judge_headers(trial: &mut Trial<'_>) {
    let of_session = |method: &str, response: &ProbeResponse| {
        method != "OPTIONS" && [200, 201, 202, 304, 412].contains(&response.status.as_u16())
    };
    trial.judge_every(
        rule(
            "R2.17",
            "200, 201, 202, 304 and 412 have Expires and Last-Modified",
        ),
        of_session,
        |response| {
            let has = |name| response.headers.contains_key(name);
            has("expires") && has("last-modified")
        },
    );
    trial.judge_every(
        rule("R2.16", "every response lets scripts read ETag"),
        |method, response| {
            method != "OPTIONS" && (!response.status.is_redirection() || response.status == 304)
        },
        |response| {
            let exposed = header(response, "access-control-expose-headers");
            exposed.to_ascii_lowercase().contains("etag")
        },
    );
}

fn poll(url: &Url, etag: &str) -> ProbeRequest {
    ProbeRequest::get(url).header(IF_NONE_MATCH, etag)
}

fn put(url: &Url, etag: &str, payload: &str) -> ProbeRequest {
    let call = ProbeRequest::new(Method::PUT, url).header(IF_MATCH, etag);
    call.text(payload)
}
