//! What a server must be, and whether two connections lead to the same one.

use crate::store::redis::error_kind::is_permission_error;
use crate::store::redis::error_text::describe;
use crate::store::redis::server_info::ServerInfo;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, ClusterInterface};
use fred::types::InfoKind;
use std::time::Duration;
use tokio::time::timeout;

/// Time limit of one answer about the server.
const INFO_TIMEOUT: Duration = Duration::from_secs(1);

/// What a server must be, for a connection to be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::redis) enum Role {
    /// Any server with data.
    Any,
    /// A primary. A replica refuses writes, and the sentinels name another server soon.
    Primary,
    /// A node in Cluster mode. Without it, a node would answer from its own data, as if every
    /// session were gone.
    ClusterNode,
    /// A sentinel.
    Sentinel,
}

/// Checks that two connections lead to one process. Behind a name that moves, or a proxy, they might
/// not, and WAIT would say nothing about the scripts.
pub(super) async fn check_same_server(one: &Client, other: &Client) -> Result<(), String> {
    let run_id = async |client: &Client| {
        let info = client.info::<String>(Some(InfoKind::Server));
        let info = reply_in_time(info).await?;
        let run_id = ServerInfo::parse(&info).get("run_id").map(str::to_owned);
        run_id.ok_or_else(|| "INFO has no run_id".to_owned())
    };
    if run_id(one).await? == run_id(other).await? {
        Ok(())
    } else {
        Err("two connections lead to different servers".to_owned())
    }
}

/// Checks the role of a server. What it does not reveal is taken as right.
pub(super) async fn check_role(client: &Client, role: Role) -> Result<(), String> {
    match role {
        Role::Any | Role::Sentinel => Ok(()),
        Role::Primary => {
            let info = client.info::<String>(Some(InfoKind::Replication));
            match reply_in_time(info).await {
                Ok(info) if info.contains("role:slave") => Err("is a replica".to_owned()),
                Err(reason) if !is_permission_error(&reason) => Err(reason),
                Ok(_) | Err(_) => Ok(()),
            }
        }
        Role::ClusterNode => reply_in_time(client.cluster_info::<String>())
            .await
            .map(drop),
    }
}

async fn reply_in_time(
    info: impl Future<Output = Result<String, Error>>,
) -> Result<String, String> {
    match timeout(INFO_TIMEOUT, info).await {
        Ok(reply) => reply.map_err(|error| describe(&error)),
        Err(_) => Err("no reply to INFO".to_owned()),
    }
}
