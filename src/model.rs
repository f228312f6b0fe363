//! The words of a rendezvous: newtypes that cannot be wrong.
//!
//! For every other module: a leaf that knows nothing of HTTP, of Redis or of time. Each type is built
//! only by its own validator or generator, so whoever holds one need not check it again.

mod api;
mod client_ip;
mod id;
pub(crate) mod label;
mod limit;
mod owner;
mod payload;
mod pseudonym_key;
mod rejection;
mod token;
mod txn;

pub use api::Api;
pub use client_ip::ClientIp;
pub use id::SessionId;
pub use limit::{DenyList, Limit, LimitExceeded, LimitSet, ShadowRule};
pub use owner::{Owner, Principal, User};
pub use payload::{MAX_PAYLOAD_BYTES, Payload, PayloadTooLarge};
pub use pseudonym_key::{PseudonymKey, SharedPseudonymKey};
pub use rejection::Rejection;
pub use token::{SequenceToken, SubmittedToken, TOKEN_LEN};
pub use txn::{InvalidTxnId, TXN_KEY_LEN, TxnKey};

/// The longest opaque identifier of the Matrix specification, in bytes.
const MAX_OPAQUE_ID: usize = 255;

/// Whether `text` is an opaque identifier, `[0-9A-Za-z._~-]{1,255}`
/// (Matrix specification, appendix "Opaque Identifiers").
fn is_opaque_identifier(text: &[u8]) -> bool {
    (1..=MAX_OPAQUE_ID).contains(&text.len())
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(byte))
}
