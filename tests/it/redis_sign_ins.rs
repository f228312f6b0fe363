//! Whole sign-ins through three workers on each deployment of Redis, in both dialects, in the modes
//! `open` and `authenticated`.
//!
//! Each request goes to another worker than the one before. The limits are on, so that sessions have
//! principals with keys of their own.

use std::time::Duration;

use crate::deployments::{Deployment, on_each_redis};
use crate::server::Server;
use testkit::device::Device;
use testkit::dialect::{Caller, Dialect};
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::metrics::Metrics;
use testkit::sign_in::{Pace, WRITES, exchange_messages, message};
use testkit::until;

const PACE: Pace = Pace {
    poll: Duration::from_millis(5),
    think: Duration::ZERO,
};

/// The token that the homeserver knows.
const TOKEN: &str = "good";

/// Starts workers that share their sessions, and waits until each is ready.
fn start(deployment: &Deployment, settings: &[(&str, &str)]) -> [Server; 3] {
    let prefix = Deployment::prefix();
    let mut all = deployment.settings();
    all.extend([
        ("store.redis.prefix", prefix.as_str()),
        ("msc4108.enabled", "true"),
        ("http.public_base_url", "https://matrix.example.org"),
    ]);
    all.extend(settings);
    let workers = [(); 3].map(|()| Server::launch(&all));
    for worker in &workers {
        until("the worker is ready", || worker.is_ready());
    }
    workers
}

/// The other device of a sign-in has no access token yet.
#[tokio::main(flavor = "current_thread")]
async fn sign_in(workers: &[Server; 3], dialect: Dialect, token: Option<&str>) {
    let servers = workers.each_ref().map(|worker| worker.http);
    let token = token.map(str::to_owned);
    let creator = Caller {
        token,
        ..Caller::default()
    };
    let mut one = Device::new(dialect, creator, &servers);
    let mut two = Device::new(dialect, Caller::default(), &servers);
    let name = format!("sign-in by {dialect:?}");
    let session = one.create(&message(&name, 0)).await;
    let path = session.expect("a session").path;
    let first = exchange_messages(&mut one, &name, &path, 1, PACE);
    let second = exchange_messages(&mut two, &name, &path, 0, PACE);
    tokio::try_join!(first, second).expect("a complete sign-in");
    one.delete(&path).await.expect("a deletion");
    for server in servers {
        let mut late = Device::new(dialect, Caller::default(), &[server]);
        let poll = late.poll(&path).await.expect_err("a deleted session");
        assert!(poll.to_string().starts_with("poll: 404"), "{poll}");
    }
}

/// Expects that each write of two sign-ins happened once, and that each worker took part.
#[track_caller]
fn assert_complete(workers: &[Server; 3]) {
    let metrics = workers.each_ref().map(|worker| worker.metrics());
    let writes = |metrics: &Metrics| metrics.sum("rendezvous_writes_total", &[]);
    assert_eq!(
        metrics.iter().map(writes).sum::<u64>(),
        u64::from(2 * WRITES)
    );
    let found = [("outcome", "found")];
    let reads = |metrics: &Metrics| metrics.sum("rendezvous_reads_total", &found);
    assert!(
        metrics
            .iter()
            .all(|metrics| reads(metrics) + writes(metrics) > 0)
    );
    for worker in workers {
        let log = worker.log();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    }
}

mod sign_ins_complete {
    use super::*;

    fn on_redis(deployment: &Deployment) {
        let workers = start(deployment, &[("mode", "open")]);
        sign_in(&workers, Dialect::Json, None);
        sign_in(&workers, Dialect::Etag, None);
        assert_complete(&workers);
    }

    on_each_redis!(on_redis);
}

mod authenticated_sign_ins_complete {
    use super::*;

    fn on_redis(deployment: &Deployment) {
        let homeserver = HomeserverStub::start();
        homeserver.set_reply(TOKEN, TokenReply::user("@user:example.org"));
        let url = homeserver.url();
        let settings = [("mode", "authenticated"), ("auth.homeserver_url", &url)];
        let workers = start(deployment, &settings);
        for worker in &workers {
            let creation = testkit::api::request::create("without a token");
            worker.call(&creation).expect_error(403, "M_FORBIDDEN");
        }
        sign_in(&workers, Dialect::Json, Some(TOKEN));
        // This dialect has no authentication.
        sign_in(&workers, Dialect::Etag, None);
        assert_complete(&workers);
        assert_eq!(homeserver.requests_about(TOKEN).len(), 1);
    }

    on_each_redis!(on_redis);
}
