//! The rules of the ETag dialect about requests that are rejected, or have another method.

use crate::doctor::conformance::trial::{Trial, header, is_error, rule};
use crate::doctor::exchange::ProbeRequest;
use hyper::Method;
use hyper::header::{HeaderName, IF_MATCH};
use url::Url;

/// The longest payload, in bytes (R2.30).
const MAX_PAYLOAD: usize = 4096;

pub(super) async fn try_bad_requests(trial: &mut Trial<'_>, url: &Url) -> Result<(), String> {
    let write = |call: ProbeRequest| call.header(IF_MATCH, "\"none\"");
    let call = || ProbeRequest::new(Method::PUT, url);
    let long = "x".repeat(MAX_PAYLOAD + 1);
    for (judgement, call, status, errcode) in [
        (
            rule("R2.26", "PUT without If-Match: 400 M_MISSING_PARAM").known("R4.8"),
            call().text("x"),
            400,
            "M_MISSING_PARAM",
        ),
        (
            rule("R2.27", "PUT without Content-Type: 400 M_MISSING_PARAM").known("R4.8"),
            write(call()).untyped(b"x"),
            400,
            "M_MISSING_PARAM",
        ),
        (
            rule("R2.28", "PUT of another Content-Type: 400 M_INVALID_PARAM"),
            write(call()).typed("application/json", "{}"),
            400,
            "M_INVALID_PARAM",
        ),
        (
            rule(
                "R2.29",
                "PUT of a body that is not UTF-8: 400 M_INVALID_PARAM",
            ),
            write(call()).typed("text/plain", "").untyped(b"\xff"),
            400,
            "M_INVALID_PARAM",
        ),
        (
            rule("R2.30", "PUT of 4,097 bytes: 413 M_TOO_LARGE"),
            write(call()).text(&long),
            413,
            "M_TOO_LARGE",
        ),
    ] {
        let response = trial.send(call).await?;
        let is_kept = is_error(&response, status, errcode);
        trial.judge(judgement, &response, is_kept);
    }
    Ok(())
}

pub(super) async fn try_other_methods(trial: &mut Trial<'_>, url: &Url) -> Result<(), String> {
    let head = trial.send(ProbeRequest::new(Method::HEAD, url)).await?;
    trial.judge(
        rule("R0.10", "HEAD as GET, without a body"),
        &head,
        head.status == 200 && head.body.is_empty(),
    );
    let patch = trial.send(ProbeRequest::new(Method::PATCH, url)).await?;
    trial.judge(
        rule("R0.5", "an unsupported method: 405 with Allow"),
        &patch,
        is_error(&patch, 405, "M_UNRECOGNIZED") && patch.headers.contains_key("allow"),
    );
    let preflight = ProbeRequest::new(Method::OPTIONS, url).header(
        HeaderName::from_static("access-control-request-method"),
        "PUT",
    );
    let preflight = trial.send(preflight).await?;
    let allows = |name: &str, words: &[&str]| {
        let value = header(&preflight, name).to_ascii_lowercase();
        words.iter().all(|word| value.contains(word))
    };
    let fields = ["if-match", "if-none-match", "content-type"];
    let is_kept = preflight.status.is_success()
        && allows("access-control-allow-methods", &["put", "delete"])
        && allows("access-control-allow-headers", &fields);
    trial.judge(
        rule(
            "R0.14",
            "OPTIONS allows the methods and header fields of the dialect",
        ),
        &preflight,
        is_kept,
    );
    Ok(())
}
