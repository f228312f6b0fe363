//! The scenarios: the attack, the settings, and the metrics that prove that the attack took place.
//!
//! Every limit per client, network, user or session has its default. The limits of all clients
//! together have theirs too, except in (b) and in one (e), which give the reason.

mod http2;

use crate::attacks::Attack;
use crate::environment::{Front, Mode, Settings};
use crate::sign_in_clients::Honest;
use crate::slowloris::SlowSources;
use crate::source_ips::SourceIps;

/// The workers' defaults, in mode `open`.
const OPEN: Settings = Settings {
    mode: Mode::Open,
    max_live: 10_000,
    max_connections: 10_000,
    front: Front::None,
};

/// Minimum number of requests of a flood. The slowest one so far had ten times as many.
const FLOOD: u64 = 10_000;

/// Slow connections to each worker, 5,000 in all.
const SLOW: usize = 2_500;

/// Slow connections to each proxy, 400 in all. With more, haproxy's TLS handshakes take the cores.
const SLOW_OVER_TLS: usize = 200;

/// Seconds between the start of an attack and the first honest sign-in. A flood uses up its burst
/// in that time, and slow connections open.
const HEAD_START: u64 = 2;

/// Rejections that several attacks run into.
const CREATE_CLIENT: &str = r#"rendezvous_rejections_total{reason="create_client"}"#;
const REQUESTS_CLIENT: &str = r#"rendezvous_rejections_total{reason="requests_client"}"#;

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub key: &'static str,
    /// Its name in the table.
    pub name: &'static str,
    /// The settings of the workers.
    pub settings: Settings,
    /// The attack.
    pub attack: Attack,
    /// Seconds between the start of the attack and the first honest sign-in.
    pub head_start: u64,
    /// The honest clients.
    pub honest: Honest,
    /// Minimum number of requests, or of connections.
    pub min_requests: u64,
    /// Minimum values of the workers' metrics. Below them the attack has not reached the limit that
    /// stops it.
    pub min_metrics: &'static [(&'static str, u64)],
}

/// Mode `open` without an attack. The other scenarios are based on it.
const QUIET: Scenario = Scenario {
    key: "quiet",
    name: "quiet, mode `open`",
    settings: OPEN,
    attack: Attack::None,
    head_start: 0,
    honest: Honest::SignIns,
    min_requests: 0,
    min_metrics: &[],
};

/// An attack in mode `open`.
const FLOODED: Scenario = Scenario {
    head_start: HEAD_START,
    min_requests: FLOOD,
    ..QUIET
};

/// An attack in mode `authenticated`.
const AUTHENTICATED: Scenario = Scenario {
    settings: Settings {
        mode: Mode::Authenticated,
        ..OPEN
    },
    ..FLOODED
};

/// All scenarios, the quiet ones first.
pub const ALL: &[Scenario] = &[
    QUIET,
    Scenario {
        key: "quiet-auth",
        name: "quiet, mode `authenticated`",
        settings: AUTHENTICATED.settings,
        ..QUIET
    },
    Scenario {
        key: "a",
        name: "(a) one address creates",
        attack: Attack::Create(SourceIps::One),
        min_metrics: &[(CREATE_CLIENT, FLOOD)],
        ..FLOODED
    },
    // However far the shares have shrunk, each of n addresses keeps one session at least, so n
    // addresses can fill a max_live of n (docs/adr/0011). If max_live is twice that, they stop at
    // 98 %: up to there each can have a second session. The remaining 400 are for addresses that
    // have none, such as the honest ones.
    Scenario {
        key: "b",
        name: "(b) 10,000 addresses create",
        settings: Settings {
            max_live: 20_000,
            ..OPEN
        },
        attack: Attack::Create(SourceIps::Many(10_000)),
        head_start: 8,
        min_metrics: &[
            (
                r#"rendezvous_rejections_total{reason="live_client"}"#,
                1_000,
            ),
            (r#"rendezvous_sessions_created_total{api="msc4388"}"#, 8_000),
            (r#"rendezvous_sessions_created_total{api="msc4108"}"#, 8_000),
        ],
        ..FLOODED
    },
    Scenario {
        key: "c-64",
        name: "(c) one /64 creates, each time from another address",
        attack: Attack::Create(SourceIps::One64),
        min_metrics: &[(CREATE_CLIENT, FLOOD)],
        ..FLOODED
    },
    Scenario {
        key: "c-48",
        name: "(c) one /48 creates, each time from another /64",
        attack: Attack::Create(SourceIps::One48),
        min_metrics: &[(
            r#"rendezvous_rejections_total{reason="create_network"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    // These addresses, and these /48, fill 10,000 sessions in seconds: a share is one session at least.
    // The shares of the /32 and of the /16 end at half of the sessions.
    Scenario {
        key: "c-32",
        name: "(c) one /32 creates, each time from another /48",
        attack: Attack::Create(SourceIps::One32),
        honest: Honest::Newcomers,
        head_start: 4,
        min_metrics: &[(
            r#"rendezvous_rejections_total{reason="live_ipv6_32"}"#,
            1_000,
        )],
        ..FLOODED
    },
    Scenario {
        key: "c-16",
        name: "(c) 5,000 addresses of one IPv4 /16 create",
        attack: Attack::Create(SourceIps::One16(5_000)),
        honest: Honest::Newcomers,
        head_start: 4,
        min_metrics: &[(
            r#"rendezvous_rejections_total{reason="live_ipv4_16"}"#,
            1_000,
        )],
        ..FLOODED
    },
    Scenario {
        key: "d-own",
        name: "(d) polls of one session of its own",
        attack: Attack::Poll(1),
        min_metrics: &[
            (
                r#"rendezvous_rejections_total{reason="requests_client"}"#,
                FLOOD,
            ),
            (
                r#"rendezvous_rejections_total{reason="requests_session"}"#,
                1_000,
            ),
        ],
        ..FLOODED
    },
    Scenario {
        key: "d-one",
        name: "(d) polls for random ids, one address",
        attack: Attack::Guess(SourceIps::One),
        min_metrics: &[(REQUESTS_CLIENT, FLOOD)],
        ..FLOODED
    },
    Scenario {
        key: "d-200",
        name: "(d) polls for random ids, 200 addresses",
        attack: Attack::Guess(SourceIps::Many(200)),
        min_metrics: &[(r#"rendezvous_rejections_total{reason="not_found"}"#, FLOOD)],
        ..FLOODED
    },
    // A worker accepts fewer connections here than one address could hold (half of the address's
    // connections are closed after a 429). Without the limit per client, no other client could
    // connect.
    Scenario {
        key: "e-one",
        name: "(e) 5,000 slow connections, one address",
        settings: Settings {
            max_connections: SLOW * 2 / 5,
            ..OPEN
        },
        attack: Attack::Slow(SLOW, SlowSources::One),
        min_requests: 2 * SLOW as u64,
        min_metrics: &[(
            r#"rendezvous_connections_refused_total{reason="per_client"}"#,
            2 * SLOW as u64,
        )],
        ..FLOODED
    },
    Scenario {
        key: "e-each",
        name: "(e) 5,000 slow connections, 2,500 addresses",
        attack: Attack::Slow(SLOW, SlowSources::Each),
        min_requests: 2 * SLOW as u64,
        min_metrics: &[
            (r#"rendezvous_connections{state="idle"}"#, SLOW as u64),
            (
                r#"rendezvous_timeouts_total{kind="header"}"#,
                SLOW as u64 / 4,
            ),
            (r#"rendezvous_timeouts_total{kind="body"}"#, SLOW as u64 / 4),
        ],
        ..FLOODED
    },
    // The worker learns the attacker's address from the PROXY header. It accepts fewer connections
    // here than the attacker opens.
    Scenario {
        key: "e-tls",
        name: "(e) 400 slow connections, one address, over TLS and the PROXY protocol",
        settings: Settings {
            max_connections: SLOW_OVER_TLS - 20,
            front: Front::TlsProxy,
            ..OPEN
        },
        attack: Attack::Slow(SLOW_OVER_TLS, SlowSources::One),
        min_requests: 2 * SLOW_OVER_TLS as u64,
        min_metrics: &[(
            r#"rendezvous_connections_refused_total{reason="per_client"}"#,
            2 * SLOW_OVER_TLS as u64,
        )],
        ..FLOODED
    },
    Scenario {
        key: "f-one",
        name: "(f) writes to one session of its own, then to the next",
        attack: Attack::Write(1),
        min_metrics: &[(REQUESTS_CLIENT, FLOOD)],
        ..FLOODED
    },
    Scenario {
        key: "f-200",
        name: "(f) the same from 200 addresses",
        attack: Attack::Write(200),
        // Each session reaches its maximum of writes. Whether it reaches its rate before that
        // depends on the speed of the machine: 250 writes that take longer than three seconds are
        // within the rate.
        min_metrics: &[(r#"rendezvous_rejections_total{reason="writes_full"}"#, 200)],
        ..FLOODED
    },
    Scenario {
        key: "g",
        name: "(g) a user with a good token does all of it, 200 addresses",
        attack: Attack::User,
        min_metrics: &[(
            r#"rendezvous_rejections_total{reason="create_user"}"#,
            1_000,
        )],
        ..AUTHENTICATED
    },
    Scenario {
        key: "h",
        name: "(h) 64 pollers retry each 429 without a pause",
        attack: Attack::Poll(64),
        min_metrics: &[(
            r#"rendezvous_rejections_total{reason="requests_session"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    Scenario {
        key: "i-one",
        name: "(i) random access tokens, one address",
        attack: Attack::Tokens(SourceIps::One),
        min_metrics: &[(CREATE_CLIENT, FLOOD)],
        ..AUTHENTICATED
    },
    Scenario {
        key: "i-200",
        name: "(i) random access tokens, 200 addresses",
        attack: Attack::Tokens(SourceIps::Many(200)),
        min_metrics: &[
            (
                r#"rendezvous_rejections_total{reason="token_refused"}"#,
                4_000,
            ),
            (
                r#"rendezvous_rejections_total{reason="create_client"}"#,
                FLOOD,
            ),
        ],
        ..AUTHENTICATED
    },
    http2::UNREAD,
    http2::FRAMES,
];
