//! One sign-in of two devices: the messages of MSC4108 as of 2024, in the order of the released SDKs.
//!
//! The writer of each message, for the device that shows the code and the one that scans it:
//!
//! | message | the existing device scans | the new device scans |
//! |---|---|---|
//! | initiate | 1, scans | 1, scans |
//! | OK | 2, shows | 2, shows |
//! | protocols | 3, scans | – |
//! | protocol | 4, shows | 3, scans |
//! | accepted | 5, scans | 4, shows |
//! | success | 6, shows | 5, scans |
//! | secrets | 7, scans | 6, shows |
//!
//! A person is awaited twice: before message 1, to scan the code, and before `success`, to confirm on
//! the homeserver's page. At every other message the device answers at once.

use super::device::Device;
use crate::histogram::Histogram;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use testkit::random::Random;
use testkit::sign_in::message;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Shortest pause of a person, in milliseconds.
const SHORTEST_PAUSE: u64 = 2000;

/// Longest pause of a person, in milliseconds.
const LONGEST_PAUSE: u64 = 8000;

/// Characters of a wrong payload that the reason of a loss contains: its pair and its number.
const SHOWN: usize = 20;

/// Latencies of a process' sign-ins.
#[derive(Debug, Serialize, Deserialize)]
pub struct Latencies {
    /// From the moment a PUT is sent until the other device has the payload, if no person was awaited
    /// before the PUT.
    pub prompt: Histogram,
    /// The same, if a person was awaited before the PUT.
    pub after_pause: Histogram,
    /// From the creation to the last message, without the pauses of persons.
    pub sign_in: Histogram,
}

/// Two devices.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The number of the pair, over all processes. Pauses and payloads depend on it alone.
    pub number: u32,
    /// The address of both devices.
    pub source: IpAddr,
    /// The worker of the device that shows the code, and that of the other one.
    pub workers: [SocketAddr; 2],
}

/// What both devices of a running sign-in share.
struct Exchange<'a> {
    path: String,
    name: String,
    /// Number of messages.
    messages: u32,
    /// When the last PUT was sent. The devices write in turn.
    sent: Cell<Instant>,
    random: RefCell<Random>,
    paused: Cell<Duration>,
    latencies: &'a RefCell<Latencies>,
}

impl Pair {
    /// Signs in. Returns the connections of both devices.
    ///
    /// # Errors
    /// The reason why the sign-in is lost.
    pub async fn sign_in(
        self,
        latencies: &RefCell<Latencies>,
        requests: &Rc<Cell<u64>>,
    ) -> Result<[TcpStream; 2], String> {
        let [first, second] = self.workers;
        let mut shows = Device::connect(self.source, first, Rc::clone(requests)).await?;
        let begun = Instant::now();
        let exchange = Exchange {
            path: shows.create().await?,
            name: format!("pair {}", self.number),
            messages: if self.number.is_multiple_of(2) { 7 } else { 6 },
            sent: Cell::new(begun),
            random: RefCell::new(Random::new(self.number.into())),
            paused: Cell::new(Duration::ZERO),
            latencies,
        };
        let scanning = async {
            exchange.await_person().await;
            let mut scans = Device::connect(self.source, second, Rc::clone(requests)).await?;
            scans.scan(&exchange.path).await?;
            exchange.write(&mut scans, 1).await?;
            exchange.run(&mut scans, 2).await?;
            Ok::<_, String>(scans)
        };
        let (scans, ()) = tokio::try_join!(scanning, exchange.run(&mut shows, 1))?;
        let elapsed = begun.elapsed().saturating_sub(exchange.paused.get());
        latencies.borrow_mut().sign_in.record(elapsed);
        Ok([shows.into_stream(), scans.into_stream()])
    }
}

impl Exchange<'_> {
    /// Reads message `next`, writes the one after it, and continues to the last.
    async fn run(&self, device: &mut Device, mut next: u32) -> Result<(), String> {
        while next <= self.messages {
            let payload = device.receive(&self.path).await?;
            let latency = self.sent.get().elapsed();
            if payload != message(&self.name, next) {
                let begin: String = payload.chars().take(SHOWN).collect();
                return Err(format!("{}: message {next} is {begin:?}…", self.name));
            }
            self.record(next, latency);
            if next < self.messages {
                if self.follows_person(next + 1) {
                    self.await_person().await;
                }
                self.write(device, next + 1).await?;
            }
            next += 2;
        }
        Ok(())
    }

    async fn write(&self, device: &mut Device, number: u32) -> Result<(), String> {
        let data = message(&self.name, number);
        self.sent.set(Instant::now());
        device.write(&self.path, &data).await
    }

    fn record(&self, number: u32, latency: Duration) {
        let latencies = &mut *self.latencies.borrow_mut();
        if self.follows_person(number) {
            latencies.after_pause.record(latency);
        } else {
            latencies.prompt.record(latency);
        }
    }

    /// Whether a person is awaited before this message: before `initiate` and `success`.
    fn follows_person(&self, number: u32) -> bool {
        number == 1 || number == self.messages - 1
    }

    async fn await_person(&self) {
        let begun = Instant::now();
        let spread = LONGEST_PAUSE - SHORTEST_PAUSE + 1;
        let pause = SHORTEST_PAUSE + self.random.borrow_mut().below(spread);
        sleep(Duration::from_millis(pause)).await;
        self.paused.set(self.paused.get() + begun.elapsed());
    }
}

impl Latencies {
    /// No latencies.
    pub fn new() -> Self {
        Self {
            prompt: Histogram::new(),
            after_pause: Histogram::new(),
            sign_in: Histogram::new(),
        }
    }

    /// Adds the latencies of another process.
    pub fn merge(&mut self, other: &Self) {
        self.prompt.merge(&other.prompt);
        self.after_pause.merge(&other.after_pause);
        self.sign_in.merge(&other.sign_in);
    }
}
