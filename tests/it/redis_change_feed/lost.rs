//! Subscriptions that are cut or fall silent: every watcher is woken, since hints may be missing, and
//! the next subscription works.

use super::{Worker, assert_hints, assert_woken, is_woken};
use crate::contract::requests::{read_request, unwrap_result};
use matrix_rendezvous::model::SessionId;
use matrix_rendezvous::store::Store;
use testkit::redis::RedisServer;
use testkit::relay::Relay;
use testkit::until;

/// Number of subscribers that this server has.
pub fn subscribers(redis: &RedisServer) -> i64 {
    let reply = redis.command(&[
        "EVAL",
        "return redis.call('PUBSUB', 'NUMSUB', 'mrv:changes')[2]",
        "0",
    ]);
    reply.int()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_subscription_wakes_watchers_and_returns() {
    let redis = RedisServer::start();
    let [one, other] = [(); 2].map(|()| Worker::on(&redis.url()));
    for _ in 0..2 {
        let watcher = other.watch(SessionId::random());
        assert_eq!(subscribers(&redis), 2);
        redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        assert_woken(is_woken(&watcher).await, "the end of the subscription");
        until("both workers subscribe again", || subscribers(&redis) == 2);
        for worker in [&one, &other] {
            worker.wait_until_complete();
        }
        assert_hints(&one, &other).await;
    }
}

/// Behind a firewall that has lost its state, the connection stays open and delivers nothing. No call
/// notices that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_subscription_is_replaced() {
    let redis = RedisServer::start();
    let relay = Relay::start(redis.address());
    let one = Worker::on(&redis.url());
    let other = Worker::on(&format!("redis://{}", relay.address()));
    let watcher = other.watch(SessionId::random());
    // It is opened after the scripts' own connection.
    relay.silence_newest();
    assert_woken(is_woken(&watcher).await, "the silence");
    other.wait_until_complete();
    assert_hints(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_are_all_replaced() {
    let redis = RedisServer::start();
    let relay = Relay::start(redis.address());
    let one = Worker::on(&redis.url());
    let other = Worker::on(&format!("redis://{}", relay.address()));
    let watcher = other.watch(SessionId::random());
    assert!(relay.silence() >= 2);
    assert_woken(is_woken(&watcher).await, "the silence");
    // A call notices that the scripts' own connection is silent too.
    let read = unwrap_result(other.store.read(&read_request(SessionId::random(), None))).await;
    println!("a read on the silent connection: {read:?}");
    other.wait_until_complete();
    assert_hints(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_redis_is_subscribed_to_again() {
    let mut redis = RedisServer::start();
    let [one, other] = [(); 2].map(|()| Worker::on(&redis.url()));
    let watcher = other.watch(SessionId::random());
    redis.kill();
    assert_woken(is_woken(&watcher).await, "the end of Redis");
    until("the hints are incomplete", || !other.is_complete());
    redis.restart();
    for worker in [&one, &other] {
        worker.wait_until_complete();
    }
    assert_hints(&one, &other).await;
}
