//! The authorization server: without the device grant, no new device gets an access token.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs, warn};
use crate::doctor::check_context::{AuthorizationServer, CheckContext, SERVICE_ITSELF};
use crate::doctor::diagnosis::{describe, matrix_error, media_type, unexpected, unreachable};
use crate::doctor::exchange::ProbeRequest;
use crate::doctor::target::join;
use crate::json;
use hyper::{Method, StatusCode};
use url::Url;

/// The grant of the new device (RFC 8628).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Checks that the homeserver's authorization server has the device authorization grant.
pub(super) async fn device_grant(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "the new device gets its access token by the device authorization grant";
    let url = join(&context.base()?, "/_matrix/client/v1/auth_metadata");
    let request = format!("GET {url}");
    let response = context.client.get_following(&url).await;
    let mut response = response.map_err(|error| unreachable(&error, WHY))?;
    if response.status == StatusCode::NOT_FOUND && !response.is_ours {
        // Homeservers had it there before Matrix 1.15.
        let unstable = join(
            &context.base()?,
            "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
        );
        let older = context.client.get_following(&unstable).await;
        response = older.map_err(|error| unreachable(&error, WHY))?;
    }
    if context.is_service_itself(&response) {
        return Err(Problem::Skip(SERVICE_ITSELF.to_owned()));
    }
    if response.status == StatusCode::NOT_FOUND && matrix_error(&response).is_some() {
        return Err(fail(
            format!("{request}: {}", describe(&response)),
            WHY,
            "use Matrix Authentication Service, or another homeserver with the OAuth 2.0 API: \
             password sign-in has no QR codes",
        ));
    }
    let value = json::parse_value(&response.body).ok();
    let Some(value) = value.filter(|_| response.status == StatusCode::OK) else {
        let expected = "200 with JSON of an authorization server";
        return Err(unexpected(&request, &response, expected, WHY));
    };
    let member = |name: &str| Url::parse(value[name].as_str()?).ok();
    let device_endpoint = member("device_authorization_endpoint");
    let has_endpoint = device_endpoint.is_some();
    context.authorization = Some(AuthorizationServer {
        issuer: member("issuer"),
        device_endpoint,
    });
    let grants = value["grant_types_supported"].as_array();
    let has_grant = grants.is_some_and(|grants| grants.iter().any(|grant| grant == DEVICE_GRANT));
    if has_grant && has_endpoint {
        return Ok("the device grant is supported".to_owned());
    }
    let missing = if has_grant {
        "device_authorization_endpoint".to_owned()
    } else {
        format!("{DEVICE_GRANT} in grant_types_supported")
    };
    Err(fail(
        format!("{request}: the metadata has no {missing}"),
        WHY,
        "Matrix Authentication Service: do not set oauth.device_code_grant_enabled: false",
    ))
}

/// Checks that the device endpoint answers as an OAuth server does: an empty request is an error
/// in JSON.
pub(super) async fn device_endpoint(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "the new device uses this endpoint after the QR code was scanned";
    let server = context.authorization.as_ref();
    let url = server.and_then(|server| server.device_endpoint.clone());
    let url = url.ok_or_else(|| needs(CheckId::DeviceGrant))?;
    let call = ProbeRequest::new(Method::POST, &url).typed("application/x-www-form-urlencoded", "");
    let response = context.client.send(call).await;
    let response = response.map_err(|error| unreachable(&error, WHY))?;
    let is_error = matches!(
        response.status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
    );
    if is_error && media_type(&response) == "application/json" {
        return Ok(format!("{url} answers"));
    }
    let expected = "400 or 401 with JSON to a request without a client";
    let mut problem = unexpected(&format!("POST {url}"), &response, expected, WHY);
    if let (Problem::Fail(finding), StatusCode::NOT_FOUND) = (&mut problem, response.status) {
        "check the proxy in front of the authorization server, and its resource oauth"
            .clone_into(&mut finding.action);
    }
    Err(problem)
}

/// Checks that the page on which the user confirms the new device is there.
pub(super) async fn link_page(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "the user confirms the new device on this page";
    let server = context.authorization.as_ref();
    let issuer = server.and_then(|server| server.issuer.clone());
    let issuer = issuer.ok_or_else(|| needs(CheckId::DeviceGrant))?;
    let url = join(&issuer, "/link");
    let response = context.client.get_following(&url).await;
    let response = response.map_err(|error| unreachable(&error, WHY))?;
    if response.status.is_success() {
        return Ok(format!("{url} answers"));
    }
    // Other authorization servers may have it elsewhere; the metadata does not say where.
    Err(warn(
        format!("GET {url}: {}; expected a page", describe(&response)),
        WHY,
        "Matrix Authentication Service: add the resource human to its public listener; other \
         servers may have the page elsewhere",
    ))
}
