//! What browsers demand of responses (Fetch, "CORS protocol").

use crate::doctor::check::{CheckId, CheckOutcome, fail, needs, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::diagnosis::{unexpected, unreachable};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use hyper::Method;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName,
};
use std::collections::BTreeSet;

/// The header fields that web clients send on a session, and one that this service allows too.
const REQUESTED: [&str; 4] = ["if-match", "if-none-match", "content-type", AUTHORIZED];
const AUTHORIZED: &str = "authorization";

const WHY: &str = "web clients cannot use the session; apps can";
const FIX: &str = "let the proxy forward OPTIONS, and neither add nor remove Access-Control-… for these \
                   paths (nginx add_header and proxy_hide_header, Apache Header, haproxy set-header, \
                   Traefik headers): matrix-rendezvous answers and sets its own";

/// Checks that a response may be read by scripts of any origin.
///
/// # Errors
/// What was found instead of one `Access-Control-Allow-Origin: *`.
pub(super) fn check_origin(response: &ProbeResponse) -> Result<(), String> {
    let values = values(response, &ACCESS_CONTROL_ALLOW_ORIGIN);
    match values.as_slice() {
        [value] if value == "*" => Ok(()),
        [] => Err("no Access-Control-Allow-Origin".to_owned()),
        [value] => Err(format!(
            "Access-Control-Allow-Origin is {value}; expected *"
        )),
        values => {
            let found = values.join(" and ");
            Err(format!(
                "{} Access-Control-Allow-Origin: {found}",
                values.len()
            ))
        }
    }
}

/// Sends the request that a browser sends before a PUT.
pub(super) async fn preflight(context: &mut CheckContext) -> CheckOutcome {
    let session = context.etag_session()?;
    let call = ProbeRequest::new(Method::OPTIONS, &session.url)
        .header(ACCESS_CONTROL_REQUEST_METHOD, "PUT")
        .header(ACCESS_CONTROL_REQUEST_HEADERS, &REQUESTED.join(","));
    let response = context.client.send(call).await;
    let response = response.map_err(|error| unreachable(&error, WHY))?;
    let request = format!("OPTIONS {}", session.url.path());
    if !response.status.is_success() {
        return Err(unexpected(&request, &response, "204", WHY));
    }
    check_origin(&response).map_err(|found| fail(format!("{request}: {found}"), WHY, FIX))?;
    let allowed = words(&response, &ACCESS_CONTROL_ALLOW_HEADERS);
    let missing: Vec<_> = REQUESTED
        .iter()
        .filter(|name| response.is_ours || **name != AUTHORIZED)
        .filter(|name| !allowed.contains(**name) && !allowed.contains("*"))
        .copied()
        .collect();
    if !missing.is_empty() {
        let what = format!(
            "{request}: Access-Control-Allow-Headers lacks {}",
            missing.join(", ")
        );
        return Err(fail(what, WHY, FIX));
    }
    let methods = words(&response, &ACCESS_CONTROL_ALLOW_METHODS);
    if !methods.contains("put") && !methods.contains("*") {
        let what = format!("{request}: Access-Control-Allow-Methods lacks PUT");
        return Err(fail(what, WHY, FIX));
    }
    let max_age = values(&response, &ACCESS_CONTROL_MAX_AGE);
    if response.is_ours && max_age.len() != 1 {
        return Err(warn(
            format!(
                "{request}: {} Access-Control-Max-Age; expected one",
                max_age.len()
            ),
            "browsers repeat the preflight before every request of a sign-in",
            FIX,
        ));
    }
    Ok(format!(
        "{} with every header field",
        response.status.as_u16()
    ))
}

/// Checks the responses of the earlier checks.
pub(super) fn responses(context: &CheckContext) -> CheckOutcome {
    if context.etag_session.is_none() {
        return Err(needs(CheckId::Create));
    }
    let mut statuses = BTreeSet::new();
    // A proxy's own response failed the check that expected another one.
    let is_from_here = |response: &ProbeResponse| response.is_ours || !context.is_served;
    let samples = context.samples.iter();
    for (method, response) in samples.filter(|(_, response)| is_from_here(response)) {
        let status = response.status.as_u16();
        let request = format!("{method} {}: {status}", response.url.path());
        check_origin(response).map_err(|found| fail(format!("{request}, {found}"), WHY, FIX))?;
        // A script reads the ETag of these.
        let is_read = [200, 201, 202, 304, 412].contains(&status);
        let exposed = words(response, &ACCESS_CONTROL_EXPOSE_HEADERS);
        if is_read && !exposed.contains("etag") && !exposed.contains("*") {
            let what = format!("{request}, Access-Control-Expose-Headers lacks ETag");
            return Err(fail(
                what,
                "a script cannot read the ETag: web clients wait for ever",
                FIX,
            ));
        }
        statuses.insert(status.to_string());
    }
    let statuses: Vec<_> = statuses.into_iter().collect();
    Ok(format!(
        "any origin may read the responses ({})",
        statuses.join(", ")
    ))
}

/// Returns the values of a header field, in the order of the response.
fn values(response: &ProbeResponse, name: &HeaderName) -> Vec<String> {
    let values = response.headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

/// Returns the entries of a list, in lower case.
fn words(response: &ProbeResponse, name: &HeaderName) -> BTreeSet<String> {
    let values = values(response, name);
    let words = values.iter().flat_map(|value| value.split(','));
    words.map(|word| word.trim().to_ascii_lowercase()).collect()
}
