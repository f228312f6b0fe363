//! The deployments of Redis that the contract of the store and whole sign-ins are tested on: four
//! topologies, each plain, and each with an ACL user and TLS.
//!
//! A deployment is started once, by the first test that uses it, and serves until the tests end.
//! Each test has a key prefix of its own. The ACL user may do what the documentation says, with the
//! admin API, and no more. A Unix socket has no TLS, so there the second form has the ACL user only.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::process::free_port;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::cluster::{Cluster, ClusterConfig, PRIMARIES};
use testkit::redis::resp::Connection;
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::redis::tls::RedisTls;
use testkit::redis::{RedisServer, Reply};

/// How the servers of Redis belong together.
#[derive(Clone, Copy, Debug)]
pub enum Topology {
    /// One server, on its port.
    Standalone,
    /// One server, on its Unix socket.
    UnixSocket,
    /// A primary, a replica and three sentinels.
    Sentinel,
    /// Three primaries.
    Cluster,
}

/// Who may connect, and how.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Anyone, without TLS.
    Plain,
    /// A user with the documented rule, over TLS.
    TlsAndAcl,
}

/// A deployment that runs.
#[derive(Debug)]
pub struct Deployment {
    url: String,
    ca_file: Option<String>,
    /// The plain-text ports of the servers that have keys.
    primaries: Vec<SocketAddr>,
    /// Whatever must stay alive.
    _parts: Box<dyn Debug + Send + Sync>,
}

/// The words of the ACL user, after `--user`, and its part of a URL.
const USER: [&str; 3] = ["rendezvous", "on", ">secret"];
const LOGIN: &str = "rendezvous:secret@";

impl Deployment {
    /// The deployment that all tests of this process share. The first call starts it.
    pub fn shared(topology: Topology, access: Access) -> &'static Self {
        static SHARED: [[OnceLock<Deployment>; 2]; 4] =
            [const { [const { OnceLock::new() }; 2] }; 4];
        SHARED[topology as usize][access as usize].get_or_init(|| Self::start(topology, access))
    }

    fn start(topology: Topology, access: Access) -> Self {
        let (mut options, mut login, mut tls) = (Vec::new(), "", None);
        if let Access::TlsAndAcl = access {
            let more: &[&str] = match topology {
                Topology::Standalone | Topology::Sentinel => &["+select"],
                Topology::UnixSocket => &[],
                Topology::Cluster => &["+cluster", "+asking"],
            };
            options.push("--user".to_owned());
            options.extend(USER.iter().chain(more).map(ToString::to_string));
            options.extend(documented_rule());
            // For the list of sessions alone. `redis_start_checks` has workers without it.
            options.push("+scan".to_owned());
            login = LOGIN;
            tls = Some(RedisTls::make());
        }
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        match topology {
            Topology::Standalone => Self::standalone(&options, login, tls),
            Topology::UnixSocket => Self::unix_socket(&options, login),
            Topology::Sentinel => Self::sentinels(&options, login, tls),
            Topology::Cluster => Self::cluster(&options, login, tls),
        }
    }

    fn standalone(options: &[&str], login: &str, tls: Option<RedisTls>) -> Self {
        let mut all = Vec::new();
        all.extend(tls.iter().flat_map(|tls| tls.arguments(free_port())));
        all.extend(options.iter().map(ToString::to_string));
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let server = RedisServer::start_with(&all);
        let scheme = if tls.is_some() { "rediss" } else { "redis" };
        let port = server.announced_port();
        let url = format!("{scheme}://{login}127.0.0.1:{port}/0");
        let primaries = vec![server.address()];
        Self::of(url, primaries, tls, server)
    }

    fn unix_socket(options: &[&str], login: &str) -> Self {
        let socket = ["--unixsocket", "redis.sock"];
        let server = RedisServer::start_with(&[&socket, options].concat());
        let url = format!("unix://{login}{}", server.unix_socket().display());
        let primaries = vec![server.address()];
        Self::of(url, primaries, None, server)
    }

    fn sentinels(options: &[&str], login: &str, tls: Option<RedisTls>) -> Self {
        let trio = Sentinels::start(&SentinelsConfig {
            options,
            tls: tls.as_ref(),
            ..SentinelsConfig::steady()
        });
        let primaries = vec![trio.primary().address()];
        Self::of(trio.url_as(login), primaries, tls, trio)
    }

    fn cluster(options: &[&str], login: &str, tls: Option<RedisTls>) -> Self {
        let cluster = Cluster::start(&ClusterConfig {
            options,
            tls: tls.as_ref(),
            ..ClusterConfig::steady()
        });
        let primaries = cluster.nodes[..PRIMARIES].iter();
        let primaries = primaries.map(RedisServer::address).collect();
        Self::of(cluster.url_as(login), primaries, tls, cluster)
    }

    fn of(
        url: String,
        primaries: Vec<SocketAddr>,
        tls: Option<RedisTls>,
        servers: impl Debug + Send + Sync + 'static,
    ) -> Self {
        let ca_file = tls.as_ref().map(|tls| {
            let path = tls.certificates().ca_file();
            path.to_str().expect("UTF-8").to_owned()
        });
        Self {
            url,
            ca_file,
            primaries,
            _parts: Box::new((servers, tls)),
        }
    }

    /// The settings of a worker on this deployment, apart from its prefix.
    pub fn settings(&self) -> Vec<(&'static str, &str)> {
        let mut settings = vec![
            ("store.backend", "redis"),
            ("store.redis.url", self.url.as_str()),
        ];
        let ca_file = self.ca_file.as_deref();
        settings.extend(ca_file.map(|path| ("store.redis.ca_file", path)));
        settings
    }

    /// A prefix that no other test has. The rule allows it.
    pub fn prefix() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("mrv:t{}:", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens connections as the superuser.
    pub fn connect(&self) -> Keys {
        let connect = |address: &SocketAddr| Connection::open(*address);
        Keys(self.primaries.iter().map(connect).collect())
    }
}

/// Connections of a test to each server that has keys.
#[derive(Debug)]
pub struct Keys(Vec<Connection>);

impl Keys {
    /// Sends a command on one key, to the server that has its slot.
    #[track_caller]
    pub fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        let is_elsewhere =
            |reply: &Reply| matches!(reply, Reply::Error(text) if text.starts_with("MOVED"));
        let mut replies = self.0.iter_mut().map(|server| server.command(words));
        replies
            .find(|reply| !is_elsewhere(reply))
            .expect("a server with the key's slot")
    }

    /// The keys that match, of all servers.
    #[track_caller]
    pub fn matching(&mut self, pattern: &str) -> Vec<String> {
        let servers = self.0.iter_mut();
        servers
            .flat_map(|server| server.command(&["KEYS", pattern]).texts())
            .collect()
    }
}

/// Creates a test of each deployment, which calls `$test` with it. A test names its deployment.
macro_rules! on_each_redis {
    ($test:path) => {
        $crate::deployments::on_each_redis! { @all $test;
            standalone: Standalone, Plain;
            standalone_tls_acl: Standalone, TlsAndAcl;
            unix_socket: UnixSocket, Plain;
            unix_socket_acl: UnixSocket, TlsAndAcl;
            sentinel: Sentinel, Plain;
            sentinel_tls_acl: Sentinel, TlsAndAcl;
            cluster: Cluster, Plain;
            cluster_tls_acl: Cluster, TlsAndAcl;
        }
    };
    (@all $test:path; $($name:ident: $topology:ident, $access:ident;)+) => { $(
        #[test]
        fn $name() {
            use $crate::deployments::{Access, Deployment, Topology};
            $test(Deployment::shared(Topology::$topology, Access::$access));
        }
    )+ };
}
pub(crate) use on_each_redis;
