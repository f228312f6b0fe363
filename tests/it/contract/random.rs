//! Random interleavings of all calls, on both stores.

use super::fixture::{MemoryFixture, StoreFixture};
use super::redis_fixture::RedisFixture;
use super::run::Run;
use super::strategies::steps;
use matrix_rendezvous::model::SessionId;
use proptest::test_runner::{Config, TestRunner};

fn interleave<R: StoreFixture>(cases: u32, runtime: &tokio::runtime::Runtime, fixture: R) {
    let fixture = std::cell::RefCell::new(fixture);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(&steps(), |steps| {
        let mut fixture = fixture.borrow_mut();
        fixture.clear();
        runtime.block_on(async {
            let mut run = Run::new(|_| SessionId::random());
            for step in &steps {
                run.step(&mut *fixture, step).await;
            }
        });
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn memory_store_matches_the_model() {
    interleave(512, &runtime(), MemoryFixture::new());
}

mod redis_store_matches_the_model {
    use super::{RedisFixture, interleave, runtime};
    use crate::deployments::{Deployment, on_each_redis};

    fn on_redis(deployment: &Deployment) {
        let runtime = runtime();
        let fixture = runtime.block_on(RedisFixture::on(deployment));
        interleave(64, &runtime, fixture);
    }

    on_each_redis!(on_redis);
}
