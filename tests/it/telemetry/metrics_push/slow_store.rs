//! The push of metrics while the store does not respond.

use super::pushed_series;
use crate::server::ready_on;
use crate::telemetry::collector::Collector;
use testkit::eventually;
use testkit::redis::RedisServer;

/// The number of sessions is counted first, for up to the time limit of a command, which is longer than that of an
/// export.
#[test]
fn metrics_are_exported_while_redis_does_not_respond() {
    let redis = RedisServer::start();
    let collector = Collector::start(true);
    let settings = [
        ("telemetry.metrics.endpoint", &*collector.endpoint()),
        ("telemetry.metrics.interval", "1s"),
        ("store.redis.command_timeout", "6s"),
    ];
    let server = ready_on(&redis.url(), &settings);
    redis.pause();
    let store_up = || {
        let push = collector.pushes().pop()?;
        pushed_series(push).get("rendezvous_store_up").copied()
    };
    eventually("a push says that the store does not respond", || {
        (store_up() == Some(0.0)).then_some(())
    });
    redis.resume();
    drop(server);
}
