//! The messages to clients that a limit rejects.

use crate::model::Limit;

/// The message to a client if a limit rejects its request.
pub(super) const fn limit_message(limit: Limit) -> &'static str {
    match limit {
        Limit::CreateClient => "Too many creations or discoveries from this address",
        Limit::CreateNetwork => "Too many creations or discoveries from this network",
        Limit::CreateUser => "Too many creations by this user",
        Limit::RequestsClient => "Too many requests from this address",
        Limit::RequestsNetwork => "Too many requests from this network",
        Limit::RequestsSession => "Too many requests on this session",
        Limit::LiveTotal => "Too many rendezvous sessions",
        Limit::LiveClient => "Too many rendezvous sessions from this address",
        Limit::LiveNetwork
        | Limit::LiveIpv4Slash24
        | Limit::LiveIpv4Slash16
        | Limit::LiveIpv6Slash40
        | Limit::LiveIpv6Slash32 => "Too many rendezvous sessions from this network",
        Limit::LiveUser => "Too many rendezvous sessions of this user",
    }
}
