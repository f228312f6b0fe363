//! Whether each prefix, and what is below it, reaches this service.

use crate::doctor::check::{CheckOutcome, Problem, fail, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::diagnosis::{FORWARD_ERRORS, describe, matrix_error, unreachable};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use crate::doctor::target::join;
use crate::http::route::MSC4108_PREFIX;
use crate::json;
use hyper::{Method, StatusCode};
use url::Url;

/// A session that does not exist. It could: a path that names none is answered without a look at the body.
const NO_SESSION: &str = "/00000000000040008000000000000000";

const FIX: &str = "forward the prefix and everything below it to matrix-rendezvous, above the \
                   homeserver's own rules, with path and Host unchanged (docs/routing.md)";

/// Checks the prefix of the ETag dialect, at the homeserver or where it delegates to.
pub(super) async fn msc4108(context: &mut CheckContext) -> CheckOutcome {
    let base = context.base()?;
    let prefix = context
        .etag_session
        .as_ref()
        .map(|session| session.prefix.clone());
    let prefix = prefix
        .or_else(|| context.delegated_to.clone())
        .unwrap_or_else(|| join(&base, MSC4108_PREFIX));
    // A session that exists, if there is one: a proxy may replace the 404 for one that does not.
    let session = context
        .etag_session
        .as_ref()
        .map(|session| session.url.clone());
    let session = session.unwrap_or_else(|| join(&prefix, NO_SESSION));
    let calls = [ProbeRequest::get(&prefix), ProbeRequest::get(&session)];
    let responses = send_all(context, calls).await?;
    if let Some(reached) = reach(&prefix, &responses)? {
        return Ok(reached);
    }
    if context.read_only {
        let reason = "--read-only: only a POST shows whether the homeserver delegates creations";
        return Err(Problem::Skip(reason.to_owned()));
    }
    let what = format!("GET {prefix}: {}", describe(&responses[0]));
    if context.etag_session.is_some() {
        return Err(warn(
            format!("{what}; the sessions are those of another service"),
            "sign-ins work, but their sessions are in the memory of one process: several workers break \
             them, and a restart loses them",
            FIX,
        ));
    }
    let why = "this is the dialect of released clients: no sign-in reaches matrix-rendezvous";
    Err(fail(what, why, FIX))
}

/// Checks a prefix of the JSON dialect.
pub(super) async fn msc4388(context: &mut CheckContext, prefix: &str) -> CheckOutcome {
    let prefix = join(&context.base()?, prefix);
    // A write without its fields is rejected before the session is looked for.
    let session = join(&prefix, NO_SESSION);
    let write = |url: &Url| ProbeRequest::new(Method::PUT, url).typed("application/json", "{}");
    let transaction = join(&session, "/1");
    let calls = [
        ProbeRequest::get(&prefix),
        write(&session),
        write(&transaction),
    ];
    let responses = send_all(context, calls).await?;
    let Some(reached) = reach(&prefix, &responses)? else {
        let other = if is_discovery(&responses[0]) {
            "another service answers"
        } else {
            "it is not routed"
        };
        if !context.is_served {
            let reason =
                format!("no response of this homeserver is from matrix-rendezvous; {other}");
            return Err(Problem::Skip(reason));
        }
        let what = format!("GET {prefix}: {}; {other}", describe(&responses[0]));
        let why = "no released client needs it yet; the next ones will";
        return Err(warn(what, why, FIX));
    };
    let state = match responses[0].status {
        StatusCode::OK => "the dialect is on",
        StatusCode::NOT_FOUND => "the dialect is off",
        _ => "the dialect answers",
    };
    Ok(format!("{reached}; {state}"))
}

async fn send_all<const N: usize>(
    context: &mut CheckContext,
    calls: [ProbeRequest; N],
) -> Result<Vec<ProbeResponse>, Problem> {
    const WHY: &str = "sign-ins go through this path";
    let mut responses = Vec::new();
    for call in calls {
        let response = context.client.send(call).await;
        let response = response.map_err(|error| unreachable(&error, WHY))?;
        context.is_served |= response.is_ours;
        responses.push(response);
    }
    Ok(responses)
}

/// Returns a text if this service sent every response, and `None` if it sent none.
///
/// # Errors
/// [`Problem::Fail`] if it sent some of them.
fn reach(prefix: &Url, responses: &[ProbeResponse]) -> Result<Option<String>, Problem> {
    let Some(stray) = responses.iter().find(|response| !response.is_ours) else {
        return Ok(Some(format!("{} reaches matrix-rendezvous", prefix.path())));
    };
    if responses.iter().all(|response| !response.is_ours) {
        return Ok(None);
    }
    let found = describe(stray);
    // This service has no GET of that prefix, and answers it by a Matrix error.
    let is_replaced = stray.status == StatusCode::METHOD_NOT_ALLOWED
        && stray.url.path().ends_with(MSC4108_PREFIX)
        && matrix_error(stray).is_none();
    if is_replaced {
        return Err(fail(
            format!(
                "request of {}: {found}; expected a Matrix error in JSON",
                stray.url
            ),
            "clients act on the errcode of an error, and see another response",
            FORWARD_ERRORS,
        ));
    }
    Err(fail(
        format!(
            "request of {}: {found}; other paths below {} reach matrix-rendezvous",
            stray.url,
            prefix.path()
        ),
        "a session can be created, but not used, or the reverse",
        FIX,
    ))
}

/// Whether a response is a discovery of the JSON dialect.
fn is_discovery(response: &ProbeResponse) -> bool {
    let value = json::parse_value(&response.body);
    value.is_ok_and(|value| value["create_available"].is_boolean())
}
