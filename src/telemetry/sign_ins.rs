//! How sign-ins fare: from the creation of a session to its end, by the API that each step came by.
//!
//! Whether people can sign in is what an operator wants to know, and no status code tells: a session that nobody
//! answers is a 200 each second.

use crate::model::Api;
use crate::telemetry::labels::{EtagForm, ReadOutcome, WriteOutcome};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};
use std::time::Duration;

/// How far sessions are followed, in writes. A sign-in makes about eight.
const FOLLOWED: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

/// Bytes of a payload, up to the most that one may have. The messages of a sign-in are a few hundred long, but for
/// the one with the secrets.
const SIZES: [f64; 7] = [64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Seconds until somebody with a telephone in each hand has scanned a code; a session ends at 300.
const SCANS: [f64; 10] = [2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0];

/// The series of one API.
#[derive(Debug)]
struct Funnel {
    created: IntCounter,
    scanned: IntCounter,
    reads: Vec<IntCounter>,
    writes: Vec<IntCounter>,
    reached: Vec<IntCounter>,
    contact: Histogram,
    payloads: Histogram,
    deleted: IntCounter,
}

/// All of them.
#[derive(Debug)]
pub struct SignIns {
    /// In the order of [`Api::WITH_SESSIONS`], which are the first of all.
    funnels: Vec<Funnel>,
    ran_out: IntCounter,
    mangled: Vec<IntCounter>,
}

impl SignIns {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let histograms = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let family = HistogramVec::new(options, &["api"])?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let created = counters(
            "rendezvous_sessions_created_total",
            "Sessions created.",
            &["api"],
        )?;
        let scanned = counters(
            "rendezvous_sessions_scanned_total",
            "Reads of a session that nobody has written to yet, by somebody who names no token of it. In the ETag \
             dialect that is the other device, which has scanned the code; in the JSON dialect the creator's own \
             polls are among them.",
            &["api"],
        )?;
        let reads = counters(
            "rendezvous_reads_total",
            "Reads by what they found: the payload, the state that the client named, or no session.",
            &["api", "outcome"],
        )?;
        let writes = counters(
            "rendezvous_writes_total",
            "Writes by what became of them.",
            &["api", "outcome"],
        )?;
        let reached = counters(
            "rendezvous_sessions_written_total",
            "Sessions that were written for the first, second, … eighth time: how far sign-ins get.",
            &["api", "write"],
        )?;
        let deleted = counters(
            "rendezvous_sessions_deleted_total",
            "Sessions deleted by a client before their time.",
            &["api"],
        )?;
        let contact = histograms(
            "rendezvous_session_first_contact_seconds",
            "Time from a session's creation to its first write: until somebody has scanned the code.",
            &SCANS,
        )?;
        let payloads = histograms(
            "rendezvous_payload_bytes",
            "Payloads that were stored.",
            &SIZES,
        )?;
        let mangled = counters(
            "rendezvous_etags_mangled_total",
            "ETags that came back otherwise than they were sent, and were understood, by what was done to them.",
            &["form"],
        )?;
        let ran_out = IntCounter::new(
            "rendezvous_sessions_expired_total",
            "Sessions that ended by their time. Noticed when others are created, and so late where few are.",
        )?;
        registry.register(Box::new(ran_out.clone()))?;
        let funnel = |api: &Api| {
            let api = api.label();
            let of = |family: &IntCounterVec, label| family.with_label_values(&[api, label]);
            Funnel {
                created: created.with_label_values(&[api]),
                scanned: scanned.with_label_values(&[api]),
                reads: each(ReadOutcome::ALL, |one| of(&reads, one.label())),
                writes: each(WriteOutcome::ALL, |one| of(&writes, one.label())),
                reached: each(&FOLLOWED, |write| of(&reached, write)),
                contact: contact.with_label_values(&[api]),
                payloads: payloads.with_label_values(&[api]),
                deleted: deleted.with_label_values(&[api]),
            }
        };
        Ok(Self {
            funnels: each(Api::WITH_SESSIONS, funnel),
            ran_out,
            mangled: each(EtagForm::ALL, |form| {
                mangled.with_label_values(&[form.label()])
            }),
        })
    }

    /// A session was created, with a payload of so many bytes.
    pub fn created(&self, api: Api, bytes: usize) {
        self.note(api, |funnel| {
            funnel.created.inc();
            funnel.payloads.observe(size(bytes));
        });
    }

    /// A session was read.
    pub fn read(&self, api: Api, outcome: ReadOutcome) {
        self.note(api, |funnel| funnel.reads[outcome.index()].inc());
    }

    /// A session that nobody has written to was read by somebody who knew no token of it.
    pub fn scanned(&self, api: Api) {
        self.note(api, |funnel| funnel.scanned.inc());
    }

    /// A write ended.
    pub fn write(&self, api: Api, outcome: WriteOutcome) {
        self.note(api, |funnel| funnel.writes[outcome.index()].inc());
    }

    /// A session was written for the `writes`-th time, with a payload of so many bytes; for the first time, so long
    /// after its creation.
    pub fn written(&self, api: Api, writes: u64, contact: Option<Duration>, bytes: usize) {
        self.note(api, |funnel| {
            let at = usize::try_from(writes).unwrap_or(usize::MAX);
            if let Some(reached) = at.checked_sub(1).and_then(|at| funnel.reached.get(at)) {
                reached.inc();
            }
            if let Some(contact) = contact {
                funnel.contact.observe(contact.as_secs_f64());
            }
            funnel.payloads.observe(size(bytes));
        });
    }

    /// A session was deleted.
    pub fn deleted(&self, api: Api) {
        self.note(api, |funnel| funnel.deleted.inc());
    }

    /// So many sessions are known to have ended by their time.
    pub fn ran_out(&self, sessions: u64) {
        self.ran_out.inc_by(sessions);
    }

    /// An ETag came back changed.
    pub fn mangled(&self, form: EtagForm) {
        self.mangled[form.index()].inc();
    }

    /// [`Api::None`] has no sessions.
    fn note(&self, api: Api, note: impl FnOnce(&Funnel)) {
        if let Some(funnel) = self.funnels.get(api.index()) {
            note(funnel);
        }
    }
}

fn each<T, U>(all: &[T], of: impl Fn(&T) -> U) -> Vec<U> {
    all.iter().map(of).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a payload has at most 4096 bytes"
)]
fn size(bytes: usize) -> f64 {
    bytes as f64
}
