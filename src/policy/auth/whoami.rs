//! Whose token it is, by a homeserver: `GET /_matrix/client/v3/account/whoami` (client-server API).

use crate::model::User;
use crate::policy::auth::verifier_response::VerifierResponse;
use crate::policy::auth::{AuthError, Errcode, TokenStatus};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde::Deserialize;
use url::Url;

/// Where `homeserver` is asked.
///
/// # Errors
/// A URL that HTTP does not take for a target.
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

/// What an answer says.
///
/// A guest, and a user whom the homeserver answers with 403 (suspended, say), may not create sessions. A token of
/// an application service is its sender's: the homeserver's operator gave it out, and the user counts as any.
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
            // A token was sent. Something on the way took it off, and nobody must be signed out over that.
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
