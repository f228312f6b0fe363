//! The framing of a request: what hyper accepts and this server does not.

use crate::http::error::ApiError;
use crate::http::host;
use hyper::Request;
use hyper::header::TRANSFER_ENCODING;

/// Checks R0.36 and R0.42, which apply to every method.
///
/// # Errors
/// [`ApiError::InvalidHost`] and [`ApiError::InvalidTransferCoding`].
pub(super) fn check_head<B>(request: &Request<B>) -> Result<(), ApiError> {
    if host::violates_host_rule(request) {
        return Err(ApiError::InvalidHost);
    }
    if has_unsupported_transfer_coding(request) {
        return Err(ApiError::InvalidTransferCoding);
    }
    Ok(())
}

/// Whether the request has a transfer coding other than `chunked`, once (R0.42).
///
/// hyper accepts any list that ends in `chunked`, and does not decode the others. A proxy in front
/// may decode them, or read `chunked, chunked` as two layers, and then the proxy and this server
/// disagree about the end of the body (RFC 9112 §11.2). No client needs another coding.
pub(super) fn has_unsupported_transfer_coding<B>(request: &Request<B>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return false;
    };
    codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked")
}
