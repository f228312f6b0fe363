//! The queries of the admin API. An unknown or a repeated parameter is an error: a typing error must not
//! end other sessions than those meant.

use crate::model::{ClientIp, Principal, StoredPrincipal, User};
use crate::session::SessionSelector;
use crate::telemetry::pseudonym::Pseudonyms;
use std::net::IpAddr;
use url::form_urlencoded;

/// Clients and users in a response, unless the query says otherwise.
const DEFAULT_LIMIT: usize = 100;

/// The most that a query may ask for.
const MAX_LIMIT: usize = 1000;

/// Characters of a pseudonym in the log: 9 bytes in base64url.
const PSEUDONYM_LEN: usize = 12;

/// The query of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CountQuery {
    /// The largest number of clients, and of users, in the response.
    pub(super) limit: usize,
}

/// The query of a call that ends sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndQuery {
    /// The sessions to end.
    pub(super) selector: SessionSelector,
}

/// Why a query is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("limit must be a number between 1 and {MAX_LIMIT}, such as limit=20")]
    Limit,
    #[error("the only parameter is limit, such as limit=20")]
    UnknownOfCount,
    #[error(
        "name the sessions to end by exactly one of client=HASH, address=IP, user=HASH, user_id=NAME or \
         all=true"
    )]
    Selector,
    #[error(
        "{0} must be a hash of 12 characters as GET /admin/v1/sessions shows it (that of a client is also in \
         the log), such as {0}=Zm9vYmFyYmF6"
    )]
    Pseudonym(&'static str),
    #[error("address must be an IP address, such as address=192.0.2.1 or address=2001:db8::1")]
    Address,
    #[error("user_id must have 1 to 255 bytes, such as user_id=%40anna%3Aexample.org")]
    UserId,
    #[error("all must be true: all=true ends every session")]
    All,
}

pub(super) fn parse_count(query: &str) -> Result<CountQuery, QueryError> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    match pairs.as_slice() {
        [] => Ok(CountQuery {
            limit: DEFAULT_LIMIT,
        }),
        [(name, value)] if name == "limit" => {
            let limit = value.parse().map_err(|_| QueryError::Limit)?;
            let is_allowed = (1..=MAX_LIMIT).contains(&limit);
            is_allowed
                .then_some(CountQuery { limit })
                .ok_or(QueryError::Limit)
        }
        _ => Err(QueryError::UnknownOfCount),
    }
}

pub(super) fn parse_end(query: &str, pseudonyms: &Pseudonyms) -> Result<EndQuery, QueryError> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let [(name, value)] = pairs.as_slice() else {
        return Err(QueryError::Selector);
    };
    let selector = match &**name {
        "client" => SessionSelector::Client(parse_pseudonym("client", value)?),
        "user" => SessionSelector::User(parse_pseudonym("user", value)?),
        "address" => {
            let address: IpAddr = value.parse().map_err(|_| QueryError::Address)?;
            SessionSelector::Client(pseudonyms.client(ClientIp::from(address)))
        }
        "user_id" => {
            let user = User::parse(value).ok_or(QueryError::UserId)?;
            let user = StoredPrincipal::Named(Principal::User(user));
            SessionSelector::User(pseudonyms.stored_user(&user))
        }
        "all" if value == "true" => SessionSelector::All,
        "all" => return Err(QueryError::All),
        _ => return Err(QueryError::Selector),
    };
    Ok(EndQuery { selector })
}

fn parse_pseudonym(name: &'static str, value: &str) -> Result<String, QueryError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_pseudonym = value.len() == PSEUDONYM_LEN && value.bytes().all(is_allowed);
    is_pseudonym
        .then(|| value.to_owned())
        .ok_or(QueryError::Pseudonym(name))
}

#[cfg(test)]
mod tests {
    use super::{QueryError, parse_count, parse_end};
    use crate::session::SessionSelector;
    use crate::telemetry::pseudonym::Pseudonyms;
    use std::sync::Arc;

    #[test]
    fn nothing_is_selected_by_accident() {
        let pseudonyms = Pseudonyms::new(Arc::default());
        let parse = |query| parse_end(query, &pseudonyms);
        for (query, error) in [
            ("", QueryError::Selector),
            ("all", QueryError::All),
            ("all=1", QueryError::All),
            ("all=true&client=Zm9vYmFyYmF6", QueryError::Selector),
            (
                "client=Zm9vYmFyYmF6&client=Zm9vYmFyYmF6",
                QueryError::Selector,
            ),
            ("clients=Zm9vYmFyYmF6", QueryError::Selector),
            ("client=", QueryError::Pseudonym("client")),
            ("client=192.0.2.1234", QueryError::Pseudonym("client")),
            ("user=@a:example.org", QueryError::Pseudonym("user")),
            ("user_id=", QueryError::UserId),
            ("address=192.0.2", QueryError::Address),
        ] {
            assert_eq!(parse(query), Err(error), "{query}");
        }
        let all = parse("all=true").expect("valid").selector;
        assert_eq!(all, SessionSelector::All);
        let client = parse("client=Zm9v-mFy_mF6").expect("valid").selector;
        assert_eq!(client, SessionSelector::Client("Zm9v-mFy_mF6".to_owned()));
        let by_id = |query| parse(query).expect("valid").selector;
        assert_eq!(by_id("user_id=%40a%3Ab"), by_id("user_id=@a:b"));
        assert_eq!(
            by_id("address=192.0.2.1"),
            by_id("address=::ffff:192.0.2.1")
        );
        assert_ne!(by_id("address=192.0.2.1"), by_id("address=192.0.2.2"));
    }

    #[test]
    fn limit_of_a_count_is_bounded() {
        for (query, limit) in [("", 100), ("limit=1", 1), ("limit=1000", 1000)] {
            assert_eq!(parse_count(query).map(|query| query.limit), Ok(limit));
        }
        for query in ["limit=0", "limit=1001", "limit=-1", "limit=", "limit"] {
            assert_eq!(parse_count(query), Err(QueryError::Limit), "{query}");
        }
        for query in ["limits=1", "limit=1&limit=1"] {
            assert_eq!(parse_count(query), Err(QueryError::UnknownOfCount));
        }
    }
}
