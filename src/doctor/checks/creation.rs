//! The creation of a session of the ETag dialect, and the URL that clients are given.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs, warn};
use crate::doctor::check_context::{CheckContext, EtagSession, message, single_header};
use crate::doctor::checks::cors::check_origin;
use crate::doctor::diagnosis::{sender, unexpected};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse, redirect_target};
use crate::doctor::target::{has_same_host, join};
use crate::http::route::{MSC4108_PREFIX, MSC4388_UNSTABLE_PREFIX};
use crate::json;
use hyper::header::{ETAG, LOCATION};
use hyper::{Method, StatusCode};
use url::Url;

const WHY: &str = "no client can begin a sign-in without a session";

/// Creates the session that the other checks use.
pub(super) async fn create(context: &mut CheckContext) -> CheckOutcome {
    let mut prefix = join(&context.base()?, MSC4108_PREFIX);
    if context.read_only {
        return Err(Problem::Skip("--read-only".to_owned()));
    }
    let payload = message(1);
    let create = |url: &Url| ProbeRequest::new(Method::POST, url).text(&payload);
    let mut response = context.call(create(&prefix), WHY).await?;
    let mut via = "";
    if response.status.is_redirection() {
        prefix = match delegation(&prefix, &response) {
            Ok(target) => target,
            Err(problem) => return Err(name_redirector(context, problem).await),
        };
        context.delegated_to = Some(prefix.clone());
        response = context.call(create(&prefix), WHY).await?;
        via = ", by delegation";
    }
    let request = format!("POST {prefix}");
    if response.status != StatusCode::CREATED {
        return Err(unexpected(&request, &response, "201", WHY));
    }
    let url = json::parse_value(&response.body).ok();
    let url = url.and_then(|value| Url::parse(value["url"].as_str()?).ok());
    let Some(url) = url else {
        let expected = "JSON with an absolute url";
        return Err(unexpected(&request, &response, expected, WHY));
    };
    let created_at = context.client.clock().time_of_day();
    let etag = single_header(&response, &ETAG);
    context.etag_session = Some(EtagSession {
        prefix,
        url,
        etag: etag.clone().unwrap_or_default(),
        previous_etag: None,
        payload,
        created: response,
        created_at,
        is_deleted: false,
    });
    if etag.is_none() {
        return Err(no_etag(&request));
    }
    Ok(format!("201{via}"))
}

/// Returns the failure of a response without exactly one entity tag.
pub(super) fn no_etag(request: &str) -> Problem {
    fail(
        format!("{request}: the response has no ETag, or several"),
        "devices know by the ETag whether a message is new: without it both wait",
        "let the proxy forward ETag: no proxy_hide_header, header_down -ETag or Header unset, and no \
         compression or rewriting of bodies for these paths",
    )
}

/// Checks the redirect of a delegated creation, and returns where it leads.
fn delegation(from: &Url, response: &ProbeResponse) -> Result<Url, Problem> {
    const DELEGATED: &str = "clients send the creation to that URL, and no session is created there; only \
                             a 307 or 308 keeps the body";
    let request = format!("POST {from}");
    let location = response
        .headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let location = location.unwrap_or_default();
    let status = response.status;
    let host = response.url.join(location);
    let host = host.unwrap_or_else(|_| from.clone());
    let fix = if host.authority() != from.authority() {
        format!(
            "either the proxy redirects: let it forward these paths to matrix-rendezvous; or Synapse \
             does: set experimental_features.msc4108_delegation_endpoint to https://{}{MSC4108_PREFIX}",
            host.authority()
        )
    } else if host.scheme() != from.scheme() {
        format!(
            "give the base URL with {}:// as SERVER, as clients use it",
            host.scheme()
        )
    } else {
        "let the proxy forward these paths to matrix-rendezvous: it redirects them to itself"
            .to_owned()
    };
    let sender = sender(response);
    let keeps_body = [
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !keeps_body.contains(&status) {
        let what = format!("{request}: {} to \"{location}\"{sender}", status.as_u16());
        return Err(fail(what, DELEGATED, fix));
    }
    let target = redirect_target(response).filter(|_| Url::parse(location).is_ok());
    let Some(target) = target else {
        let what =
            format!("{request}: {status} to \"{location}\"{sender}, which is no absolute URL");
        return Err(fail(what, DELEGATED, fix));
    };
    let is_under_prefix = target
        .path()
        .trim_end_matches('/')
        .ends_with(MSC4108_PREFIX);
    if !is_under_prefix {
        let what = format!(
            "{request}: {status} to {target}{sender}, whose path does not end in {MSC4108_PREFIX}"
        );
        return Err(fail(what, DELEGATED, fix));
    }
    if from.scheme() == "https" && target.scheme() != "https" {
        let what = format!("{request}: {status} to {target}, which is not https");
        return Err(fail(what, "browsers and apps reject it", fix));
    }
    check_origin(response).map_err(|found| {
        fail(
            format!("{request}: {found} on the redirect itself"),
            "web clients cannot follow it",
            "let the proxy forward the homeserver's CORS headers on redirects too, exactly once",
        )
    })?;
    Ok(target)
}

/// Replaces the advice if the proxy redirects the JSON dialect too: Synapse delegates only creations
/// of the ETag dialect.
async fn name_redirector(context: &mut CheckContext, mut problem: Problem) -> Problem {
    let Ok(base) = context.base() else {
        return problem;
    };
    let json_dialect = ProbeRequest::get(&join(&base, MSC4388_UNSTABLE_PREFIX));
    let other = context.client.send(json_dialect).await;
    let is_redirect = other.is_ok_and(|other| redirect_target(&other).is_some());
    if let (Problem::Fail(finding), true) = (&mut problem, is_redirect) {
        "let the proxy forward these paths to matrix-rendezvous: it redirects MSC4388 too, which a homeserver \
         that delegates does not"
            .clone_into(&mut finding.action);
    }
    problem
}

/// Checks the URL of the session, which the QR code carries to the other device. The checks after one that
/// failed use the session by the URL that it should have.
pub(super) fn session_url(context: &mut CheckContext) -> CheckOutcome {
    let outcome = check_session_url(context);
    if let (Err(Problem::Fail(_)), Some(session)) = (&outcome, &mut context.etag_session) {
        let id = session
            .url
            .path_segments()
            .and_then(|mut path| path.next_back());
        session.url = join(&session.prefix, &format!("/{}", id.unwrap_or_default()));
    }
    outcome
}

fn check_session_url(context: &CheckContext) -> CheckOutcome {
    const READ: &str = "the other device reads this URL from the QR code, and cannot use it";
    let Some(EtagSession {
        prefix,
        url,
        created,
        ..
    }) = &context.etag_session
    else {
        return Err(needs(CheckId::Create));
    };
    let mut base = prefix.clone();
    let path = prefix.path().trim_end_matches('/');
    base.set_path(path.trim_end_matches(MSC4108_PREFIX));
    let action = format!(
        "set http.public_base_url = \"{}\" in the configuration of matrix-rendezvous, whether it is wrong there \
         or missing; if you leave it unset, let the proxy forward Host and send X-Forwarded-Proto",
        base.as_str().trim_end_matches('/')
    );
    let problem = |found: &str| fail(format!("the session's URL {found}: {url}"), READ, &action);
    if url.scheme() != prefix.scheme() {
        return Err(problem(&format!("is not {}", prefix.scheme())));
    }
    let below = url.path().split_once(MSC4108_PREFIX);
    if !created.is_ours && below.is_none() {
        // Synapse's own sessions are below /_synapse/client/rendezvous.
        return Err(warn(
            format!("the session's URL is of another service: {url}"),
            "sign-ins use the sessions of that service, in the memory of one process",
            "to use matrix-rendezvous, forward the prefix of MSC4108 to it",
        ));
    }
    if !has_same_host(url, prefix) {
        return Err(problem(&format!(
            "names another host than {}",
            prefix.host_str().unwrap_or_default()
        )));
    }
    let is_once = below.is_some_and(|(_, rest)| !rest.contains(MSC4108_PREFIX) && rest.len() > 1);
    if !is_once {
        return Err(problem("does not have the prefix exactly once"));
    }
    if !url.path().starts_with(&format!("{}/", prefix.path())) {
        return Err(problem(&format!("is not below {prefix}")));
    }
    let deployment = context.deployment.as_deref();
    let configured = deployment.map_or(&[][..], |deployment| &deployment.base_urls);
    let is_base = |text: &String| Url::parse(text).is_ok_and(|url| is_same_base(&url, &base));
    if !configured.is_empty() && !configured.iter().any(is_base) {
        return Err(warn(
            format!(
                "the sessions are below {base}, and the configuration has the base URL {}",
                configured.join(", ")
            ),
            "this configuration is not that of the workers which clients reach",
            "give the configuration of those workers, or correct http.public_base_url in it",
        ));
    }
    if url.scheme() != "https" {
        return Err(warn(
            format!("the session's URL is not https: {url}"),
            "browsers and apps reject it, except for tests on one machine",
            &action,
        ));
    }
    Ok(format!("below {prefix}"))
}

/// Whether two base URLs are the same, but for a slash at the end.
fn is_same_base(one: &Url, other: &Url) -> bool {
    let of = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    of(one) == of(other)
}
