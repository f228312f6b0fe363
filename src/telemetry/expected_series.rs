//! The combinations of API, route, method and status that can occur.
//!
//! Their counters are registered at 0 and resolved to handles at start-up.

use crate::model::Api;
use crate::telemetry::labels::{MethodLabel, RouteLabel};

/// The statuses of all responses.
pub(super) const STATUSES: [u16; 17] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 429, 500, 503,
];

/// Whether a request of this API, route and method can get this status.
pub(super) fn is_expected(api: Api, route: RouteLabel, method: MethodLabel, status: u16) -> bool {
    use MethodLabel as M;
    use RouteLabel as R;
    let etag = api == Api::Msc4108;
    if (api == Api::None && route != R::Other) || (etag && route == R::Txn) {
        return false;
    }
    // 400: no valid Host (R0.36). 403: the address is on a deny list (R0.32). 429: a rate is used up,
    // also on an unknown path (R0.41).
    let is_possible_on_any_request = matches!(status, 400 | 403 | 404 | 429 | 500 | 503);
    let on_body_error = matches!(status, 408 | 413);
    match (route, method) {
        (_, M::Options) => matches!(status, 204 | 400),
        (R::Other, _) => matches!(status, 400 | 403 | 404 | 429),
        (R::Rendezvous, M::Post) if etag => {
            is_possible_on_any_request || on_body_error || status == 201
        }
        (R::Rendezvous, M::Post) => {
            is_possible_on_any_request || on_body_error || matches!(status, 200 | 401)
        }
        (R::Rendezvous, M::Get | M::Head) if !etag => {
            is_possible_on_any_request || matches!(status, 200 | 401)
        }
        (R::Session, M::Get | M::Head) => {
            is_possible_on_any_request || status == 200 || (etag && status == 304)
        }
        (R::Session, M::Put) if etag => {
            is_possible_on_any_request || on_body_error || matches!(status, 202 | 412)
        }
        (R::Session | R::Txn, M::Put) => {
            is_possible_on_any_request || on_body_error || matches!(status, 200 | 409)
        }
        (R::Session, M::Delete) if etag => is_possible_on_any_request || status == 204,
        (R::Session, M::Delete) => is_possible_on_any_request || status == 200,
        // Any other method gets a 405, or a 404 if the API is off.
        (R::Rendezvous | R::Session | R::Txn, _) => {
            matches!(status, 400 | 403 | 404 | 405 | 429)
        }
    }
}
