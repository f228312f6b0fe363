//! The addresses of each host: a client may use any of them.

use crate::doctor::check::{CheckOutcome, warn};
use crate::doctor::examination::Examination;

/// Reports the addresses that accepted no connection while another address of the same host did.
pub(super) fn addresses(exam: &Examination) -> CheckOutcome {
    let Some(refused) = exam.client.refused().first() else {
        return Ok("every address that was tried accepts connections".to_owned());
    };
    Err(warn(
        format!("{refused}; another address of the host accepts connections"),
        "clients that use this address wait, or find no server: often those with IPv6",
        "let the proxy listen on this address, or remove it from DNS",
    ))
}
