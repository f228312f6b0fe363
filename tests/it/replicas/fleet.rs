//! Workers behind a load balancer that never uses the same one twice in a row, and the sign-in that
//! goes through it.

use std::cell::Cell;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;

use crate::server::{Server, ready_on};
use testkit::api::{Session, request};
use testkit::eventually;
use testkit::http::{Reply, Request};

/// Three workers on one Redis.
pub struct Fleet {
    url: String,
    /// A request holds its worker's lock for reading, a kill holds it for writing. So no request is
    /// in flight on a killed worker, as behind a balancer that drains first.
    workers: [RwLock<Server>; 3],
    requests: AtomicUsize,
}

impl Fleet {
    /// Waits until all are ready.
    pub fn start(url: &str) -> Self {
        let workers = [(); 3].map(|()| RwLock::new(ready_on(url, &[])));
        Self {
            url: url.to_owned(),
            workers,
            requests: AtomicUsize::new(0),
        }
    }

    /// The number of workers.
    pub fn size(&self) -> usize {
        self.workers.len()
    }

    /// The number of requests answered so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// SIGKILL between two requests, then a new worker in its place.
    pub fn kill_and_replace(&self, victim: usize) {
        let mut place = self.workers[victim].write().expect("no panic");
        place.signal(Signal::SIGKILL);
        place.ended();
        *place = ready_on(&self.url, &[]);
    }

    /// Sends to a worker other than `last`, and stores which.
    #[track_caller]
    fn call(&self, last: &Cell<usize>, request: &Request) -> Reply {
        let (next, reply) = eventually("a worker is there", || {
            let others = (1..self.size()).map(|step| (last.get() + step) % self.size());
            others.into_iter().find_map(|next| {
                let worker = self.workers[next].try_read().ok()?;
                Some((next, worker.call(request)))
            })
        });
        last.set(next);
        self.requests.fetch_add(1, Ordering::SeqCst);
        reply
    }
}

/// A whole sign-in: create, the other device's first read, eight alternating writes with polls by
/// both sides, delete. Each request goes to another worker than the one before, and each must
/// succeed.
#[track_caller]
pub fn sign_in(fleet: &Fleet) {
    let last = Cell::new(0);
    let call = |request: &Request| fleet.call(&last, request).expect(200);
    let created = call(&request::create("message 0"));
    let mut session = Session {
        id: created.text("id"),
        data: "message 0".to_owned(),
        token: created.text("sequence_token"),
        expires_in_ms: created.number("expires_in_ms"),
    };
    let poll = |session: &Session| {
        let seen = call(&request::read(&session.id));
        assert_eq!(seen.text("data"), session.data);
        assert_eq!(seen.text("sequence_token"), session.token);
    };
    for message in 1..=8 {
        poll(&session);
        session.data = format!("message {message}");
        // Alternate the forms of PUT, as devices of different releases would.
        let txn = format!("m{message}");
        let form = (message % 2 == 0).then_some(&*txn);
        let write = request::write(&session.id, form, &session.token, &session.data);
        let token = call(&write).text("sequence_token");
        assert_ne!(token, session.token);
        session.token = token;
        poll(&session);
    }
    call(&request::delete(&session.id));
    fleet.call(&last, &request::read(&session.id)).expect(404);
}
