//! Checks tokens at a homeserver: `GET /_matrix/client/v3/account/whoami` (client-server API).

use crate::model::User;
use crate::policy::auth::outcome::{AuthError, Errcode, TokenStatus};
use crate::policy::auth::verifier_response::VerifierResponse;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde::Deserialize;
use url::Url;

/// The URL of `homeserver`'s endpoint.
///
/// # Errors
/// `InvalidUri` if the URL is not a valid HTTP request target.
pub(super) fn whoami_uri(homeserver: &Url) -> Result<Uri, hyper::http::uri::InvalidUri> {
    let base = homeserver.as_str().trim_end_matches('/');
    format!("{base}/_matrix/client/v3/account/whoami").parse()
}

pub(super) fn build_request(target: &Uri, token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = target.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {token}")) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    request
}

#[derive(Deserialize)]
struct WhoAmI {
    user_id: String,
    #[serde(default)]
    is_guest: bool,
}

#[derive(Deserialize)]
struct WhoamiError {
    errcode: String,
    #[serde(default)]
    soft_logout: bool,
}

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
            let who: WhoAmI = response.json()?;
            if who.is_guest {
                return Ok(TokenStatus::Forbidden);
            }
            let user = User::parse(&who.user_id).ok_or(AuthError::BadReply)?;
            Ok(TokenStatus::Accepted {
                user,
                expires: None,
            })
        }
        StatusCode::UNAUTHORIZED => {
            let error: WhoamiError = response.json()?;
            // This server did send a token. A proxy on the way removed it, and no client must be
            // signed out for that.
            if error.errcode == "M_MISSING_TOKEN" {
                return Err(AuthError::BadReply);
            }
            let errcode = Errcode::parse(&error.errcode).ok_or(AuthError::BadReply)?;
            Ok(TokenStatus::Rejected {
                errcode,
                soft_logout: error.soft_logout,
            })
        }
        StatusCode::FORBIDDEN => {
            let WhoamiError { .. } = response.json()?;
            Ok(TokenStatus::Forbidden)
        }
        _ => Err(response.error()),
    }
}
