//! The connections through the proxy, and the faults of their commands and replies.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::wire::{Frame, read_frame, words};
use super::{Fault, Target};

/// Armed faults, and counters.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) next: Option<(Target, Fault)>,
    /// Commands that pass before `next` applies.
    pub(super) spared: usize,
    pub(super) every: Option<(Target, Fault)>,
    pub(super) struck: usize,
    /// Number of calls of `heal`. A fault that was armed before the last one no longer strikes.
    pub(super) heals: usize,
    pub(super) connections: Vec<TcpStream>,
    pub(super) accepted: usize,
    pub(super) stopped: bool,
}

/// State that all connections of a proxy share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) released: Condvar,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards each connection, until the proxy is dropped.
pub(super) fn accept(listener: &TcpListener, upstream: SocketAddr, shared: &Arc<Shared>) {
    for client in listener.incoming().map_while(Result::ok) {
        let mut state = shared.state();
        if state.stopped {
            return;
        }
        state.accepted += 1;
        // If Redis is down, the server sees its connection close.
        let Ok(server) = TcpStream::connect(upstream) else {
            continue;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("no delay");
            state
                .connections
                .push(stream.try_clone().expect("a handle"));
        }
        let link = Arc::new(Link {
            client,
            server,
            shared: Arc::clone(shared),
            expected: Mutex::default(),
            is_resp3: AtomicBool::new(false),
        });
        let (up, down) = (Arc::clone(&link), link);
        std::thread::spawn(move || up.commands().unwrap_or_else(|_| up.cut()));
        std::thread::spawn(move || down.replies().unwrap_or_else(|_| down.cut()));
    }
}

/// A connection of the server, and the connection to Redis that belongs to it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    shared: Arc<Shared>,
    /// One entry for each command that waits for its reply.
    expected: Mutex<VecDeque<Option<Armed>>>,
    /// Whether it is of a subscription. No fault applies to it.
    is_resp3: AtomicBool,
}

/// The fault of a command, and the number of heals at that time.
#[derive(Clone, Copy)]
struct Armed {
    target: Target,
    fault: Fault,
    heals: usize,
}

impl Link {
    fn expected(&self) -> MutexGuard<'_, VecDeque<Option<Armed>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forwards commands to Redis.
    fn commands(&self) -> std::io::Result<()> {
        let mut from = BufReader::new(&self.client);
        // An inline HELLO, which only a connection with RESP3 sends.
        if from.fill_buf()?.starts_with(b"HELLO") {
            self.is_resp3.store(true, Ordering::SeqCst);
            return self.copy(from, &self.server);
        }
        loop {
            let command = read_frame(&mut from)?;
            let armed = self.fault_for(&command);
            if armed.is_some_and(|armed| matches!(armed.fault, Fault::CutCommand)) {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            // This comes before the write, so that the reply cannot overtake the entry.
            self.expected().push_back(armed);
            if let Some(armed) = armed.filter(|armed| matches!(armed.fault, Fault::HoldCommand)) {
                self.client.shutdown(Shutdown::Both)?;
                self.wait_until_healed(&armed);
                // The reply closes the connection, since it has no reader.
                return (&self.server).write_all(&command);
            }
            (&self.server).write_all(&command)?;
        }
    }

    /// Waits until faults that were armed as this one are disarmed.
    fn wait_until_healed(&self, armed: &Armed) {
        let state = self.shared.state();
        // The counter decides: the next fault may be armed before this thread wakes.
        let held = |state: &mut State| state.heals == armed.heals && !state.stopped;
        drop(self.shared.released.wait_while(state, held));
    }

    fn fault_for(&self, command: &Frame) -> Option<Armed> {
        let words = words(command)?;
        let meant = |armed: &(Target, Fault)| is_meant(armed.0, &words);
        let mut state = self.shared.state();
        if state.spared > 0 && state.next.as_ref().is_some_and(meant) {
            state.spared -= 1;
            return None;
        }
        let (target, fault) = state
            .next
            .take_if(|armed| meant(armed))
            .or(state.every.filter(meant))?;
        // This fault strikes now, before a heal can disarm it.
        state.struck += usize::from(matches!(fault, Fault::CutCommand | Fault::HoldCommand));
        Some(Armed {
            target,
            fault,
            heals: state.heals,
        })
    }

    /// Forwards replies to the server.
    fn replies(&self) -> std::io::Result<()> {
        let mut from = BufReader::new(&self.server);
        from.fill_buf()?;
        if self.is_resp3.load(Ordering::SeqCst) {
            return self.copy(from, &self.client);
        }
        loop {
            let reply = read_frame(&mut from)?;
            let armed = self.expected().pop_front().flatten();
            match armed.filter(|armed| self.strikes(armed, &reply)) {
                Some(armed) => self.strike(&armed, &reply)?,
                None => (&self.client).write_all(&reply)?,
            }
        }
    }

    /// Whether the fault strikes this reply. It does not if it was disarmed in the meantime. If the
    /// script has not run, the fault stays armed for the next attempt.
    fn strikes(&self, armed: &Armed, reply: &Frame) -> bool {
        let mut state = self.shared.state();
        if armed.heals != state.heals {
            return false;
        }
        if reply.starts_with(b"-NOSCRIPT") {
            if state.every.is_none() {
                state.next = Some((armed.target, armed.fault));
            }
            return false;
        }
        state.struck += 1;
        true
    }

    fn strike(&self, armed: &Armed, reply: &Frame) -> std::io::Result<()> {
        match armed.fault {
            Fault::CutCommand | Fault::HoldCommand | Fault::CutReply => {
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
            Fault::CutWithinReply(at) => {
                (&self.client).write_all(&reply[..at % reply.len()])?;
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
            Fault::SwallowReply => Ok(()),
            Fault::HoldReply => {
                self.wait_until_healed(armed);
                (&self.client).write_all(reply)
            }
            Fault::Alter(alter) => (&self.client).write_all(&alter(reply)),
            Fault::InsertBefore(bytes) => {
                (&self.client).write_all(bytes)?;
                (&self.client).write_all(reply)
            }
        }
    }

    /// Forwards what no fault applies to, until either side closes.
    fn copy(&self, mut from: impl BufRead, mut to: &TcpStream) -> std::io::Result<()> {
        std::io::copy(&mut from, &mut to)?;
        self.cut();
        Ok(())
    }

    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// Whether a fault of this target applies to a command. A script that has keys of both kinds is one
/// on a session and one on leases.
fn is_meant(target: Target, words: &[Vec<u8>]) -> bool {
    let Some((name, arguments)) = words.split_first() else {
        return false;
    };
    match name.to_ascii_uppercase().as_slice() {
        b"EVALSHA" | b"EVAL" => {
            let count = arguments.get(1).and_then(|count| parse(count)).unwrap_or(0);
            let mut keys = arguments.iter().skip(2).take(count);
            let is_session = |key: &Vec<u8>| key.windows(3).any(|part| part == b"s:{");
            let is_pseudonym_key = |key: &Vec<u8>| key.ends_with(b":secret");
            match target {
                Target::Session => keys.any(is_session),
                Target::Lease => keys.any(|key| !is_session(key) && !is_pseudonym_key(key)),
                Target::PseudonymKey => keys.any(is_pseudonym_key),
                Target::Info | Target::Ping | Target::Wait => false,
            }
        }
        b"INFO" => target == Target::Info,
        b"PING" => target == Target::Ping,
        b"WAIT" => target == Target::Wait,
        _ => false,
    }
}

fn parse(number: &[u8]) -> Option<usize> {
    std::str::from_utf8(number).ok()?.parse().ok()
}
