//! The thinnest handler over fred: the least that sessions in Redis can cost.
//!
//! It differs from the baseline `redis` in this:
//!
//! | | `redis` | `thin` |
//! |---|---|---|
//! | read | a script, which returns the remaining TTL too | HMGET, and a fixed lifetime in the reply |
//! | create | two scripts, one for a lease | one script |
//! | delete | two scripts, one for the lease | DEL |
//!
//! A write is the same script in both, and both use one connection.

use super::Baseline;
use super::json::{created, found, read_input, written};
use super::redis::{CREATE, TTL_MS, WRITE, connect, key};
use super::reply::ModelReply;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{ClusterHash, CustomCommand, Value};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use uuid::Uuid;

/// Sessions in Redis, with nothing beside them.
pub struct Thin {
    model: ModelReply,
    client: Client,
    read: CustomCommand,
    create: String,
    write: String,
    delete: CustomCommand,
}

impl Thin {
    /// Connects and loads the scripts.
    pub async fn connect(model: ModelReply, url: &str) -> Result<Self, String> {
        Self::try_connect(model, url)
            .await
            .map_err(|error| format!("{url}: {error}"))
    }

    async fn try_connect(model: ModelReply, url: &str) -> Result<Self, fred::error::Error> {
        let client = connect(url).await?;
        Ok(Self {
            model,
            read: CustomCommand::new_static("HMGET", ClusterHash::FirstKey, false),
            create: client.script_load(CREATE).await?,
            write: client.script_load(WRITE).await?,
            delete: CustomCommand::new_static("DEL", ClusterHash::FirstKey, false),
            client,
        })
    }

    async fn found(&self, id: &str) -> Option<String> {
        let words = vec![Value::from(key(id)), "t".into(), "d".into()];
        let reply: (Option<u64>, Option<String>) =
            self.client.custom(self.read.clone(), words).await.ok()?;
        Some(found(&reply.1?, reply.0?, TTL_MS))
    }

    async fn create(&self, body: Incoming) -> Option<String> {
        let input = read_input(body).await?;
        let id = Uuid::new_v4().simple().to_string();
        let arguments = vec![input.data.into(), TTL_MS.into()];
        self.run(&self.create, &id, arguments).await?;
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
        self.run(&self.write, id, swap).await?;
        Some(written(writes))
    }

    async fn delete(&self, id: &str) -> Option<String> {
        let deleted: u64 = self
            .client
            .custom(self.delete.clone(), vec![key(id)])
            .await
            .ok()?;
        (deleted == 1).then(|| "{}".to_owned())
    }

    /// Calls a script that returns 1 if it succeeds.
    async fn run(&self, script: &str, id: &str, arguments: Vec<Value>) -> Option<()> {
        let reply: u64 = self.client.evalsha(script, key(id), arguments).await.ok()?;
        (reply == 1).then_some(())
    }
}

impl Baseline for Thin {
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
