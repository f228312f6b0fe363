//! What only shows after a minute: limits on polls, and connections that die in silence.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs};
use crate::doctor::check_context::{CheckContext, EtagSession, single_header};
use crate::doctor::diagnosis::unexpected;
use crate::doctor::exchange::ProbeRequest;
use httpdate::parse_http_date;
use hyper::StatusCode;
use hyper::header::{EXPIRES, IF_NONE_MATCH};
use std::time::Duration;

/// The interval at which both SDKs poll.
const INTERVAL: Duration = Duration::from_secs(1);

/// A minute of polls, and a little more: many proxies close an idle connection after 60 s.
const POLLS: u32 = 65;

const LONG: &str = "takes 65 s: --long makes it";

/// Polls once a second as a device does that waits for its user. Opens a connection first, which is then
/// idle for [`kept_connection`].
pub(super) async fn steady_polls(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "a sign-in ends at the first such response: no SDK retries a poll";
    if !context.is_long {
        return Err(Problem::Skip(LONG.to_owned()));
    }
    let session = context.etag_session()?;
    let rest = rest_of_lifetime(context, &session);
    if rest.is_some_and(|rest| rest < INTERVAL * (POLLS + 10)) {
        let reason = "the session ends within a minute (session.ttl)";
        return Err(Problem::Skip(reason.to_owned()));
    }
    let poll = ProbeRequest::get(&session.url).header(IF_NONE_MATCH, &session.etag);
    context.idle_connection = context.client.open(&poll).await.ok();
    for number in 1..=POLLS {
        let response = context.call(poll.clone(), WHY).await?;
        if response.status != StatusCode::NOT_MODIFIED {
            let request = format!("poll {number} of {POLLS}, one a second");
            return Err(unexpected(&request, &response, "304", WHY));
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(format!("{POLLS} polls, one a second"))
}

/// The rest of the session's lifetime, by its `Expires` and this machine's clock.
fn rest_of_lifetime(context: &CheckContext, session: &EtagSession) -> Option<Duration> {
    let expires = parse_http_date(&single_header(&session.created, &EXPIRES)?).ok()?;
    let now = context.client.clock().time_of_day();
    Some(expires.duration_since(now).unwrap_or_default())
}

/// Sends a request on the connection that was idle meanwhile.
pub(super) async fn kept_connection(context: &mut CheckContext) -> CheckOutcome {
    if !context.is_long {
        return Err(Problem::Skip(LONG.to_owned()));
    }
    let session = context.etag_session()?;
    let Some(mut connection) = context.idle_connection.take() else {
        return Err(needs(CheckId::SteadyPolls));
    };
    let call = ProbeRequest::get(&session.url).header(IF_NONE_MATCH, &session.etag);
    match context.client.send_on(&mut connection, &call).await {
        Ok(true) => Ok("a connection that was idle for 65 s is still served".to_owned()),
        Ok(false) => {
            Ok("a connection that was idle for 65 s was closed; clients open another".to_owned())
        }
        Err(error) => Err(fail(
            format!("a connection that was idle for 65 s: {error}"),
            "something on the way has forgotten the connection without closing it: a device that uses it \
             again waits for its timeout of 30 s",
            "let the load balancer or firewall close idle connections by RST or FIN, or raise its idle \
             timeout above that of the proxy behind it",
        )),
    }
}
