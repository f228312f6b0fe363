//! The domain types: validated newtypes and closed sets.
//!
//! A leaf without imports from other modules, and without HTTP, Redis or time. Only its validator
//! or generator can build a value of such a type, so no other module has to validate it again.

mod api;
mod client_ip;
mod id;
pub(crate) mod label;
mod limit;
mod owner;
mod payload;
mod pseudonym_key;
mod rejection;
mod stored_principal;
mod token;
mod txn;

pub use api::Api;
pub use client_ip::{ClientIp, WideNetwork, embedded_ipv4};
pub use id::SessionId;
pub use limit::{DenyList, Limit, LimitExceeded, LimitSet, ShadowRule};
pub use owner::{Owner, Principal, User};
pub use payload::{MAX_PAYLOAD_BYTES, Payload, PayloadTooLarge};
pub use pseudonym_key::{KEY_ROTATION, PseudonymKey, SharedPseudonymKey};
pub use rejection::Rejection;
pub use stored_principal::{PRINCIPAL_HASH_LEN, StoredPrincipal};
pub use token::{SequenceToken, SubmittedToken, TOKEN_LEN};
pub use txn::{InvalidTxnId, TXN_KEY_LEN, TxnKey};

/// Longest opaque identifier of the Matrix specification, in bytes.
const MAX_OPAQUE_ID: usize = 255;

/// Whether `text` is an opaque identifier, `[0-9A-Za-z._~-]{1,255}`
/// (Matrix specification, appendix "Opaque Identifiers").
fn is_opaque_identifier(text: &[u8]) -> bool {
    (1..=MAX_OPAQUE_ID).contains(&text.len())
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(byte))
}
