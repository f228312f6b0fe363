//! A TCP proxy between a server and its Redis that drops, delays and changes single replies.
//!
//! For tests of replies that are lost, late, or belong to another command. The proxy parses RESP2
//! only far enough to separate commands. A fault is armed for the next command of a kind, or for
//! all of them until [`Proxy::heal`]. A script that Redis does not know yet (NOSCRIPT) has not run,
//! so the fault stays armed for the next attempt. The proxy never changes a command. A connection with
//! RESP3, which a worker has for its subscription, is forwarded as it is, and meets no fault.

mod link;
mod wire;

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use crate::process::listen;
use crate::until;
use link::{Shared, accept};

/// The commands that a fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Scripts on a session's hash. One that also changes its lease is both.
    Session,
    /// Scripts on leases.
    Lease,
    /// The script on the pseudonym key, which is also the server's write probe.
    PseudonymKey,
    /// INFO.
    Info,
    /// PING.
    Ping,
    /// WAIT.
    Wait,
}

/// Returns the reply that replaces this one.
pub type Alteration = fn(&[u8]) -> Vec<u8>;

/// A fault of a command or of its reply.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Drops the command and closes the connection: the script does not run.
    CutCommand,
    /// Closes the connection as `CutCommand`, and lets the script run after [`Proxy::heal`]: its bytes
    /// were held up on the way to Redis.
    HoldCommand,
    /// Lets the script run, drops its reply and closes the connection.
    CutReply,
    /// Lets the script run, and closes the connection after this many bytes of its reply, modulo
    /// the reply's length.
    CutWithinReply(usize),
    /// Drops the reply only, so that each later reply arrives in the place of the one before it.
    SwallowReply,
    /// Delays the reply, and each later one, until [`Proxy::heal`].
    HoldReply,
    /// Replaces the reply by one that is made from it.
    Alter(Alteration),
    /// Inserts these bytes before the reply: it, and each later one, arrives one place late.
    InsertBefore(&'static [u8]),
}

/// The proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts a proxy that forwards to `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = listen();
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, upstream, &accepting));
        Self { address, shared }
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value of `store.redis.url`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Arms a fault for the next such command.
    pub fn next(&self, target: Target, fault: Fault) {
        self.shared.state().next = Some((target, fault));
    }

    /// Arms a fault for the command that follows `spared` such commands.
    pub fn after(&self, spared: usize, target: Target, fault: Fault) {
        self.next(target, fault);
        self.shared.state().spared = spared;
    }

    /// Arms a fault for every such command, until [`Proxy::heal`].
    pub fn every(&self, target: Target, fault: Fault) {
        self.shared.state().every = Some((target, fault));
    }

    /// Disarms all faults and sends delayed replies. Returns how many faults struck since the last
    /// call. Panics if none did, because such a test has tested nothing.
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

    /// Waits until a fault has struck.
    #[track_caller]
    pub fn wait_until_struck(&self) {
        until("the fault strikes", || self.struck() > 0);
    }

    /// Waits until one more fault has struck.
    #[track_caller]
    pub fn wait_until_struck_again(&self) {
        let before = self.struck();
        until("the fault strikes again", || self.struck() > before);
    }

    fn struck(&self) -> usize {
        self.shared.state().struck
    }

    /// Number of connections accepted so far.
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
        // Wakes the accept loop, which then sees that it must stop.
        let _ = TcpStream::connect(self.address);
    }
}
