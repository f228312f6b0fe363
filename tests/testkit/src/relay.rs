//! A TCP relay between a server and one Redis, with connections that can fall silent.
//!
//! It forwards bytes and reads no protocol; [`Proxy`](crate::proxy::Proxy) changes single replies. A
//! silent connection stays open and delivers nothing more, in neither direction, as behind a
//! firewall that has lost its state. Later connections work.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::process::listen;

/// The relay. Dropping it closes every connection.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    links: Mutex<Vec<Arc<Link>>>,
    accepted: AtomicUsize,
    stopped: AtomicBool,
}

/// A connection to the relay, and the one to Redis that belongs to it.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    silent: AtomicBool,
}

impl Relay {
    /// Starts a relay on a free port. `upstream` need not listen yet.
    pub fn start(upstream: SocketAddr) -> Self {
        Self::balance(&[upstream])
    }

    /// Starts a relay that connects each client to the next of these servers, in turn.
    pub fn balance(upstreams: &[SocketAddr]) -> Self {
        let upstreams = upstreams.to_vec();
        let listener = listen();
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &upstreams, &accepting));
        Self { address, shared }
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the present connections silent for good. Returns their number.
    pub fn silence(&self) -> usize {
        let links = self.links();
        for link in links.iter() {
            link.silent.store(true, Ordering::SeqCst);
        }
        links.len()
    }

    /// Makes the newest connection silent for good.
    #[track_caller]
    pub fn silence_newest(&self) {
        let links = self.links();
        let newest = links.last().expect("a connection");
        newest.silent.store(true, Ordering::SeqCst);
    }

    /// Delivers nothing for this long, on present and on new connections, which stay silent for good.
    pub fn silence_for(&self, duration: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < duration {
            self.silence();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Closes the present connections.
    pub fn cut(&self) {
        for link in self.links().iter() {
            link.close();
        }
    }

    /// Number of connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Link>>> {
        self.shared
            .links
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the accept loop, which then sees that it must stop.
        let _ = TcpStream::connect(self.address);
    }
}

/// Forwards each connection, until the relay is dropped.
fn accept(listener: &TcpListener, upstreams: &[SocketAddr], shared: &Shared) {
    let clients = listener.incoming().map_while(Result::ok);
    for (client, upstream) in clients.zip(upstreams.iter().cycle()) {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        // If Redis is down, the client sees its connection close.
        let Ok(server) = TcpStream::connect(upstream) else {
            continue;
        };
        let link = Arc::new(Link {
            client,
            server,
            silent: AtomicBool::new(false),
        });
        let mut links = shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.push(Arc::clone(&link));
        drop(links);
        let back = Arc::clone(&link);
        std::thread::spawn(move || link.forward(&link.client, &link.server));
        std::thread::spawn(move || back.forward(&back.server, &back.client));
    }
}

impl Link {
    /// Forwards bytes until either side closes. What arrives on a silent connection is lost, the
    /// end of the connection included.
    fn forward(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let _ = to.set_nodelay(true);
        let mut block = [0; 16 * 1024];
        loop {
            let count = from.read(&mut block).unwrap_or(0);
            let is_silent = self.silent.load(Ordering::SeqCst);
            let is_forwarded = count > 0 && (is_silent || to.write_all(&block[..count]).is_ok());
            if !is_forwarded {
                if !is_silent {
                    self.close();
                }
                return;
            }
        }
    }

    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}
