//! A sign-in in the JSON dialect: which clients may create a session, and what becomes of it.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs};
use crate::doctor::check_context::{CheckContext, JsonSession, message};
use crate::doctor::diagnosis::{cached, matrix_error, unexpected, unreachable};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use crate::doctor::json_request::{self, MADE_UP_TOKEN, parse, put};
use crate::doctor::target::join;
use crate::http::route::MSC4388_UNSTABLE_PREFIX;
use hyper::header::AUTHORIZATION;
use hyper::{Method, StatusCode};
use serde_json::json;
use url::Url;

const WHY: &str = "clients of this dialect cannot sign in";

/// Creates a session, and checks that an access token arrives if one is needed.
pub(super) async fn authorization(context: &mut CheckContext) -> CheckOutcome {
    const EXPECTED: &str = "200, or 403 M_FORBIDDEN if a token is needed";
    const STRIPPED: &str = "let the proxy forward the Authorization header unchanged: nginx \
                            proxy_set_header Authorization \"\" or auth_basic remove it";
    let prefix = join(&context.base()?, MSC4388_UNSTABLE_PREFIX);
    if context.read_only {
        return Err(Problem::Skip("--read-only".to_owned()));
    }
    let request = format!("POST {prefix}");
    let response = create(context, &prefix, None).await?;
    if !response.is_ours {
        return Err(needs(CheckId::RouteMsc4388));
    }
    match response.status {
        StatusCode::OK => {
            record_session(context, &prefix, &response)?;
            return Ok("no token is needed".to_owned());
        }
        StatusCode::NOT_FOUND => return Err(Problem::Skip("the dialect is off".to_owned())),
        StatusCode::FORBIDDEN if is_forbidden(&response) => {}
        _ => return Err(unexpected(&request, &response, EXPECTED, WHY)),
    }
    let request = format!("{request} with a made-up token");
    let response = create(context, &prefix, Some(MADE_UP_TOKEN)).await?;
    if is_forbidden(&response) {
        let what = format!(
            "{request}: 403, as without one: the token does not arrive (or maintenance is on)"
        );
        return Err(fail(what, WHY, STRIPPED));
    }
    if response.status != StatusCode::UNAUTHORIZED {
        let expected = "401: no user has this token";
        return Err(unexpected(&request, &response, expected, WHY));
    }
    let Some(token) = context
        .token
        .as_ref()
        .map(|token| token.expose().to_owned())
    else {
        return Ok("a token is needed, and arrives (--token-file tries a real one)".to_owned());
    };
    let response = create(context, &prefix, Some(&token)).await?;
    if response.status != StatusCode::OK {
        let request = format!("POST {prefix} with the token of --token-file");
        return Err(unexpected(&request, &response, "200", WHY));
    }
    record_session(context, &prefix, &response)?;
    Ok("a token is needed, and that of --token-file is accepted".to_owned())
}

/// Exchanges messages as two devices would, and deletes the session.
pub(super) async fn exchange(context: &mut CheckContext) -> CheckOutcome {
    let Some(JsonSession {
        url,
        token: first,
        payload,
    }) = context.json_session.take()
    else {
        return Err(needs(CheckId::Authorization));
    };
    let second = message(2);
    expect_payload(context, &url, &payload, &first).await?;
    let written = send(context, put(&url, &first, &second), StatusCode::OK).await?;
    let token = sequence_token(&written)?;
    expect_payload(context, &url, &second, &token).await?;
    send(
        context,
        put(&url, &first, &message(3)),
        StatusCode::CONFLICT,
    )
    .await?;
    let delete = ProbeRequest::new(Method::DELETE, &url);
    send(context, delete, StatusCode::OK).await?;
    send(context, ProbeRequest::get(&url), StatusCode::NOT_FOUND).await?;
    Ok("two messages, a conflict and the end".to_owned())
}

/// Whether the service itself rejects a creation without a token (R1.41).
fn is_forbidden(response: &ProbeResponse) -> bool {
    let code = matrix_error(response).map(|(errcode, _)| errcode);
    response.is_ours && code.as_deref() == Some("M_FORBIDDEN")
}

async fn create(
    context: &mut CheckContext,
    prefix: &Url,
    token: Option<&str>,
) -> Result<ProbeResponse, Problem> {
    let body = json!({"data": message(1)}).to_string();
    let mut call = ProbeRequest::new(Method::POST, prefix).typed("application/json", &body);
    if let Some(token) = token {
        call = call.header(AUTHORIZATION, &format!("Bearer {token}"));
    }
    let response = context.client.send(call).await;
    response.map_err(|error| unreachable(&error, WHY))
}

/// Records the session of the response to a creation.
fn record_session(
    context: &mut CheckContext,
    prefix: &Url,
    response: &ProbeResponse,
) -> Result<(), Problem> {
    let value = parse(response);
    let Some(id) = value["id"].as_str() else {
        let expected = "JSON with an id";
        return Err(unexpected(
            &format!("POST {prefix}"),
            response,
            expected,
            WHY,
        ));
    };
    context.json_session = Some(JsonSession {
        url: join(prefix, &format!("/{id}")),
        token: sequence_token(response)?,
        payload: message(1),
    });
    Ok(())
}

/// Sends a request, and expects a status of this service.
async fn send(
    context: &mut CheckContext,
    call: ProbeRequest,
    expected: StatusCode,
) -> Result<ProbeResponse, Problem> {
    let request = format!("{} {}", call.method, call.url);
    let response = context.client.send(call).await;
    let response = response.map_err(|error| unreachable(&error, WHY))?;
    if response.is_cached {
        return Err(cached(&response));
    }
    if response.status != expected || !response.is_ours {
        let expected = format!("{} from matrix-rendezvous", expected.as_u16());
        return Err(unexpected(&request, &response, &expected, WHY));
    }
    Ok(response)
}

async fn expect_payload(
    context: &mut CheckContext,
    url: &Url,
    payload: &str,
    token: &str,
) -> Result<(), Problem> {
    let response = send(context, ProbeRequest::get(url), StatusCode::OK).await?;
    let value = parse(&response);
    if value["data"] == payload && value["sequence_token"] == token {
        return Ok(());
    }
    let request = format!("GET {url}");
    let expected = "the payload and the token that were written last";
    Err(unexpected(&request, &response, expected, WHY))
}

fn sequence_token(response: &ProbeResponse) -> Result<String, Problem> {
    json_request::sequence_token(response).ok_or_else(|| {
        let expected = "JSON with a sequence_token";
        unexpected(response.url.as_str(), response, expected, WHY)
    })
}
