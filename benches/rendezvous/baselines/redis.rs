//! The thinnest handler over fred: what sessions in Redis cost without rules.
//!
//! Create is two scripts (lease, session), read and write are one, delete is two (session, lease).
//! These are the round trips of the server on a Cluster. On a standalone Redis, as in this benchmark,
//! the server makes one to create and one to delete.
//! All use one connection, which was faster than two to eight. Nagle's algorithm stays on, which is
//! fred's default: the kernel then joins pipelined commands, which costs both ends less. There is
//! no fence, nonce, retry or rollback.

use super::Baseline;
use super::json::{created, found, read_input, written};
use super::reply::ModelReply;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig};
use fred::types::{Builder, Value};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const TAKE: &str = "return redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])";
/// Creates a session. Returns 1.
pub(super) const CREATE: &str = "redis.call('HSET', KEYS[1], 't', '0', 'd', ARGV[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";
const READ: &str = "local s = redis.call('HMGET', KEYS[1], 't', 'd')
return {s[1], s[2], redis.call('PTTL', KEYS[1])}";
/// Compares the token and swaps it with the data. Returns 1, or 0 if the token is stale.
pub(super) const WRITE: &str = "if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 't', ARGV[2], 'd', ARGV[3])
return 1";
const DELETE: &str = "return redis.call('DEL', KEYS[1])";
const RELEASE: &str = "return redis.call('ZREM', KEYS[1], ARGV[1])";

/// The server's default lifetime, so that the key expires as a real one does.
pub(super) const TTL_MS: i64 = 300_000;

/// The server's default. fred makes one attempt, as in the server.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(800);

const INDEX: &str = "baseline:{lease}:live";

/// Sessions in Redis.
pub struct Redis {
    model: ModelReply,
    client: Client,
    take: String,
    create: String,
    read: String,
    write: String,
    delete: String,
    release: String,
}

impl Redis {
    /// Connects and loads the scripts.
    pub async fn connect(model: ModelReply, url: &str) -> Result<Self, String> {
        Self::try_connect(model, url)
            .await
            .map_err(|error| format!("{url}: {error}"))
    }

    async fn try_connect(model: ModelReply, url: &str) -> Result<Self, fred::error::Error> {
        let client = connect(url).await?;
        let load = async |script: &str| client.script_load::<String, _>(script).await;
        Ok(Self {
            model,
            take: load(TAKE).await?,
            create: load(CREATE).await?,
            read: load(READ).await?,
            write: load(WRITE).await?,
            delete: load(DELETE).await?,
            release: load(RELEASE).await?,
            client,
        })
    }

    async fn call(&self, script: &str, key: &str, arguments: Vec<Value>) -> Option<Value> {
        self.client.evalsha(script, key, arguments).await.ok()
    }

    /// Calls a script that returns 1 if it succeeds.
    async fn succeed(&self, script: &str, key: &str, arguments: Vec<Value>) -> Option<()> {
        (self.call(script, key, arguments).await?.as_i64()? == 1).then_some(())
    }

    async fn found(&self, id: &str) -> Option<String> {
        let Value::Array(fields) = self.call(&self.read, &key(id), vec![]).await? else {
            return None;
        };
        let [token, data, left] = fields.as_slice() else {
            return None;
        };
        Some(found(
            &data.as_str()?,
            token.as_str()?.parse().ok()?,
            left.as_i64()?,
        ))
    }

    async fn create(&self, body: Incoming) -> Option<String> {
        let input = read_input(body).await?;
        let id = Uuid::new_v4().simple().to_string();
        let ends = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let lease = vec![ends.to_string().into(), id.as_str().into()];
        self.succeed(&self.take, INDEX, lease).await?;
        self.succeed(
            &self.create,
            &key(&id),
            vec![input.data.into(), TTL_MS.into()],
        )
        .await?;
        Some(created(&id, 0, TTL_MS))
    }

    async fn update(&self, id: &str, body: Incoming) -> Option<String> {
        let input = read_input(body).await?;
        let token: u64 = input.sequence_token.parse().ok()?;
        let writes = token + 1;
        let swap = vec![
            token.to_string().into(),
            writes.to_string().into(),
            input.data.into(),
        ];
        self.succeed(&self.write, &key(id), swap).await?;
        Some(written(writes))
    }

    async fn delete(&self, id: &str) -> Option<String> {
        self.succeed(&self.delete, &key(id), vec![]).await?;
        self.succeed(&self.release, INDEX, vec![id.into()]).await?;
        Some("{}".to_owned())
    }
}

impl Baseline for Redis {
    async fn handle(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let id = head.uri.path().rsplit('/').next()?;
        let json = match head.method {
            Method::GET => self.found(id).await?,
            Method::POST => self.create(body).await?,
            Method::DELETE => self.delete(id).await?,
            _ => self.update(id, body).await?,
        };
        Some(self.model.with_body(json))
    }
}

/// Opens the one connection.
pub(super) async fn connect(url: &str) -> Result<Client, fred::error::Error> {
    let client = Builder::from_config(Config::from_url(url)?)
        .set_performance_config(PerformanceConfig {
            default_command_timeout: COMMAND_TIMEOUT,
            ..PerformanceConfig::default()
        })
        .set_connection_config(ConnectionConfig {
            max_command_attempts: 1,
            ..ConnectionConfig::default()
        })
        .build()?;
    client.init().await?;
    Ok(client)
}

/// The key of a session.
pub(super) fn key(id: &str) -> String {
    format!("baseline:s:{{{id}}}")
}
