//! Checks tokens at a homeserver: `GET /_matrix/client/v3/account/whoami` (client-server API).

use crate::model::User;
use crate::policy::auth::outcome::{AuthError, Errcode, TokenStatus};
use crate::policy::auth::verifier_response::{VerifierResponse, optional_bool, required_text};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use url::Url;

/// The URL of `homeserver`'s endpoint.
///
/// # Errors
/// `InvalidUri` if the URL is not a valid HTTP request target.
pub(super) fn whoami_uri(homeserver: &Url) -> Result<Uri, hyper::http::uri::InvalidUri> {
    let base = homeserver.as_str().trim_end_matches('/');
    format!("{base}/_matrix/client/v3/account/whoami").parse()
}

/// Builds the request about a token. Without one, a homeserver answers 401.
pub(super) fn build_request(target: &Uri, token: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = target.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let bearer = token.map(|token| HeaderValue::try_from(format!("Bearer {token}")));
    if let Some(Ok(mut bearer)) = bearer {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    request
}

/// What a response should be, for the text about any other.
pub(super) const EXPECTED: &str = "200 with a \"user_id\", or 401 or 403 with an \"errcode\", in JSON; M_MISSING_TOKEN \
    means that a proxy removed the Authorization header";

/// Parses a response.
///
/// Guests, and users for whom the homeserver returns 403 (suspended ones, for example), may not
/// create sessions. The token of an application service belongs to its sender: the homeserver's
/// operator issued it, so that user counts as any other.
///
/// # Errors
/// [`AuthError::BadReply`] or [`AuthError::Unavailable`] if the response says nothing about the
/// token.
pub(super) fn parse_response(response: &VerifierResponse) -> Result<TokenStatus, AuthError> {
    match response.status {
        StatusCode::OK => {
            let [user_id, is_guest] = response.members(["user_id", "is_guest"])?;
            let user = User::parse(required_text(&user_id)?).ok_or(AuthError::BadReply)?;
            if optional_bool(&is_guest)? {
                return Ok(TokenStatus::Forbidden);
            }
            Ok(TokenStatus::Accepted {
                user,
                expires: None,
            })
        }
        StatusCode::UNAUTHORIZED => {
            let (errcode, soft_logout) = parse_error(response)?;
            // This server did send a token. A proxy on the way removed it, and no client must be
            // signed out for that.
            if errcode.as_str() == "M_MISSING_TOKEN" {
                return Err(AuthError::BadReply);
            }
            Ok(TokenStatus::Rejected {
                errcode,
                soft_logout,
            })
        }
        StatusCode::FORBIDDEN => parse_error(response).map(|_| TokenStatus::Forbidden),
        _ => Err(response.error()),
    }
}

/// Returns the code of a Matrix error, and its `soft_logout`.
fn parse_error(response: &VerifierResponse) -> Result<(Errcode, bool), AuthError> {
    let [errcode, soft_logout] = response.members(["errcode", "soft_logout"])?;
    let errcode = Errcode::parse(required_text(&errcode)?).ok_or(AuthError::BadReply)?;
    Ok((errcode, optional_bool(&soft_logout)?))
}
