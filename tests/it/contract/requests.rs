//! The parts of a call. The fuzz target `store_model` (tests/fuzz) includes this file.

use matrix_rendezvous::model::{Owner, Payload, SequenceToken, SessionId, TxnKey, User};
use matrix_rendezvous::store::{NewSession, ReadRequest, StoreError, WithTimestamps};
use std::net::IpAddr;

pub fn payload(text: &str) -> Payload {
    Payload::new(text).expect("short")
}

pub fn txn(text: &str) -> TxnKey {
    TxnKey::parse(text.as_bytes()).expect("an identifier")
}

/// An owner with an address and a user name.
pub fn owner(address: &str, user: Option<&str>) -> Owner {
    let address: IpAddr = address.parse().expect("an address");
    Owner {
        client: address.into(),
        user: user.map(|name| User::parse(name).expect("a name")),
    }
}

pub fn read_request(id: SessionId, if_none_match: Option<SequenceToken>) -> ReadRequest {
    ReadRequest {
        id,
        if_none_match,
        timestamps: false,
        track_peer: false,
    }
}

/// The result of a call that did not request timestamps, and got none.
pub async fn unwrap_result<T>(
    call: impl Future<Output = Result<WithTimestamps<T>, StoreError>>,
) -> Result<T, StoreError> {
    let WithTimestamps { result, timestamps } = call.await?;
    assert_eq!(timestamps, None, "timestamps were not requested");
    Ok(result)
}

/// A session that the owner creates.
pub fn session(id: SessionId, owner: Owner, data: &str) -> NewSession {
    let data = payload(data);
    NewSession {
        owner,
        id,
        token: SequenceToken::first(id, &data),
        data,
        timestamps: false,
    }
}
