//! What a request can end with: the series that stand at 0 from the start, and are found without a look at
//! their labels.

use crate::model::Api;
use crate::telemetry::labels::{Method, Route};

/// The statuses that a request can end with.
pub(super) const STATUSES: [u16; 17] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 429, 500, 503,
];

/// Whether a request can end so.
pub(super) fn expected_series(api: Api, route: Route, method: Method, status: u16) -> bool {
    use Method as M;
    use Route as R;
    let etag = api == Api::Msc4108;
    if (api == Api::None && route != R::Other) || (etag && route == R::Txn) {
        return false;
    }
    let anywhere = matches!(status, 404 | 429 | 500 | 503);
    let of_a_body = matches!(status, 400 | 408 | 413);
    match (route, method) {
        (_, M::Options) => status == 204,
        (R::Other, _) => status == 404,
        (R::Rendezvous, M::Post) if etag => anywhere || of_a_body || status == 201,
        (R::Rendezvous, M::Post) => anywhere || of_a_body || matches!(status, 200 | 401 | 403),
        (R::Rendezvous, M::Get | M::Head) if !etag => anywhere || matches!(status, 200 | 401),
        (R::Session, M::Get | M::Head) => {
            anywhere || matches!(status, 200 | 403) || (etag && status == 304)
        }
        (R::Session, M::Put) if etag => anywhere || of_a_body || matches!(status, 202 | 412),
        (R::Session | R::Txn, M::Put) => anywhere || of_a_body || matches!(status, 200 | 409),
        (R::Session, M::Delete) if etag => anywhere || status == 204,
        (R::Session, M::Delete) => anywhere || status == 200,
        // Another method: 405, and 404 where the dialect is off.
        (R::Rendezvous | R::Session | R::Txn, _) => matches!(status, 404 | 405),
    }
}
