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
    let on_any_request = matches!(status, 404 | 429 | 500 | 503);
    let on_body_error = matches!(status, 400 | 408 | 413);
    match (route, method) {
        (_, M::Options) => status == 204,
        (R::Other, _) => status == 404,
        (R::Rendezvous, M::Post) if etag => on_any_request || on_body_error || status == 201,
        (R::Rendezvous, M::Post) => {
            on_any_request || on_body_error || matches!(status, 200 | 401 | 403)
        }
        (R::Rendezvous, M::Get | M::Head) if !etag => on_any_request || matches!(status, 200 | 401),
        (R::Session, M::Get | M::Head) => {
            on_any_request || matches!(status, 200 | 403) || (etag && status == 304)
        }
        (R::Session, M::Put) if etag => {
            on_any_request || on_body_error || matches!(status, 202 | 412)
        }
        (R::Session | R::Txn, M::Put) => {
            on_any_request || on_body_error || matches!(status, 200 | 409)
        }
        (R::Session, M::Delete) if etag => on_any_request || status == 204,
        (R::Session, M::Delete) => on_any_request || status == 200,
        // Any other method gets a 405, or a 404 if the API is off.
        (R::Rendezvous | R::Session | R::Txn, _) => matches!(status, 404 | 405),
    }
}
