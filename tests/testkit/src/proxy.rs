//! A TCP proxy between a worker and its Redis that loses, holds and falsifies single replies.
//!
//! For tests of what a worker makes of an answer that it never got, got late, or that is not its own.
//! It understands RESP2 just enough to tell one command from the next. A fault is armed for the next
//! command of the named kind, or for every one until healed; a script that Redis did not know yet
//! (NOSCRIPT) has not run, so the fault waits for the next try. It never changes a command on its way
//! in.

mod link;
mod wire;

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::redis::until;
use link::{Shared, accept};

/// Which commands a fault is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Scripts on a session's hash.
    Session,
    /// Scripts on the index of live sessions.
    Lease,
    /// INFO.
    Info,
    /// PING.
    Ping,
}

/// Makes another reply of a reply.
pub type Alteration = fn(&[u8]) -> Vec<u8>;

/// What happens to a command or to its reply.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The command is lost and the connection cut: the script never ran.
    CutCommand,
    /// The script ran; its answer is lost and the connection cut.
    CutReply,
    /// The answer is lost alone, so that every later one arrives in its predecessor's place.
    SwallowReply,
    /// The answer, and every later one, waits until [`Proxy::heal`].
    HoldReply,
    /// Something else arrives in the answer's place, made of it.
    Alter(Alteration),
    /// This arrives first: the answer, and every later one, comes one place late.
    InsertBefore(&'static [u8]),
}

/// The proxy; dropping it cuts every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens, and forwards to `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, upstream, &accepting));
        Self { address, shared }
    }

    /// What the worker is given as `store.redis.url`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// The next such command meets this fault.
    pub fn next(&self, target: Target, fault: Fault) {
        self.shared.state().next = Some((target, fault));
    }

    /// So many such commands are spared, and the one after them meets this fault.
    pub fn after(&self, spared: usize, target: Target, fault: Fault) {
        self.next(target, fault);
        self.shared.state().spared = spared;
    }

    /// Every such command meets this fault, until [`Proxy::heal`].
    pub fn every(&self, target: Target, fault: Fault) {
        self.shared.state().every = Some((target, fault));
    }

    /// Ends every fault and lets held replies go. How many struck since the last time; none is a
    /// panic, since a test whose fault missed has tested nothing.
    #[track_caller]
    pub fn heal(&self) -> usize {
        let mut state = self.shared.state();
        state.heals += 1;
        (state.next, state.every, state.spared) = (None, None, 0);
        let struck = std::mem::take(&mut state.struck);
        drop(state);
        self.shared.released.notify_all();
        assert!(struck > 0, "the fault met no command");
        struck
    }

    /// Waits until a fault struck.
    #[track_caller]
    pub fn wait_until_struck(&self) {
        until("the fault strikes", || self.struck() > 0);
    }

    /// Waits until a fault strikes again.
    #[track_caller]
    pub fn wait_until_struck_again(&self) {
        let before = self.struck();
        until("the fault strikes again", || self.struck() > before);
    }

    fn struck(&self) -> usize {
        self.shared.state().struck
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.state().accepted
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.stopped = true;
            for connection in state.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        self.shared.released.notify_all();
        // Wakes the accept loop, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}
