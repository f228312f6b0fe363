//! The scenarios: who attacks, on what settings, and by what it is seen that it was an attack.
//!
//! Every limit of one client, network, user or session is at its default. Those of all together are too, but in (b)
//! and in one (e), which say why.

use crate::addresses::Addresses;
use crate::attacks::Attack;
use crate::field::{Mode, Settings};
use crate::slow::Sources;

/// The workers' defaults, in mode `open`.
const OPEN: Settings = Settings {
    mode: Mode::Open,
    max_live: 10_000,
    max_connections: 10_000,
};

/// The fewest requests of a flood. The slowest that was seen had ten times as many.
const FLOOD: u64 = 10_000;

/// Slow connections to each worker, 5,000 in all.
const SLOW: usize = 2_500;

/// Seconds that an attack has before the first honest sign-in: a flood, to use up what its burst allows; a crowd of
/// slow connections, to be there.
const HEAD_START: u64 = 2;

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line; the letter is the issue's.
    pub key: &'static str,
    /// Its name in the table.
    pub name: &'static str,
    /// What the workers are started with.
    pub settings: Settings,
    /// Who attacks.
    pub attack: Attack,
    /// Seconds of the attack before the first honest sign-in.
    pub head_start: u64,
    /// The fewest requests, or connections, that were an attack.
    pub least: u64,
    /// What the workers must have counted, and how often at least: without it the attack did not get to where it
    /// is held.
    pub counted: &'static [(&'static str, u64)],
}

/// In mode `open`, without an attack: where the others begin.
const QUIET: Scenario = Scenario {
    key: "quiet",
    name: "quiet, mode `open`",
    settings: OPEN,
    attack: Attack::None,
    head_start: 0,
    least: 0,
    counted: &[],
};

/// An attack in mode `open`.
const FLOODED: Scenario = Scenario {
    head_start: HEAD_START,
    least: FLOOD,
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

/// All, the quiet ones first.
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
        attack: Attack::Create(Addresses::One),
        counted: &[(
            r#"rendezvous_rejections_total{reason="create_client"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    // Each of n addresses keeps one place at least, however far shares have shrunk, so they can fill a max_live of
    // n (docs/adr/0011). At twice that they stop at 98 %: so far the second place of each is to be had. What is
    // left, 400 places, is for those who have none, such as the honest.
    Scenario {
        key: "b",
        name: "(b) 10,000 addresses create",
        settings: Settings {
            max_live: 20_000,
            ..OPEN
        },
        attack: Attack::Create(Addresses::Many(10_000)),
        head_start: 8,
        counted: &[
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
        attack: Attack::Create(Addresses::One64),
        counted: &[(
            r#"rendezvous_rejections_total{reason="create_client"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    Scenario {
        key: "c-48",
        name: "(c) one /48 creates, each time from another /64",
        attack: Attack::Create(Addresses::One48),
        counted: &[(
            r#"rendezvous_rejections_total{reason="create_network"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    Scenario {
        key: "d-own",
        name: "(d) polls of one session of its own",
        attack: Attack::Poll(1),
        counted: &[
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
        attack: Attack::Guess(Addresses::One),
        counted: &[(
            r#"rendezvous_rejections_total{reason="requests_client"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    Scenario {
        key: "d-200",
        name: "(d) polls for random ids, 200 addresses",
        attack: Attack::Guess(Addresses::Many(200)),
        counted: &[(r#"rendezvous_rejections_total{reason="not_found"}"#, FLOOD)],
        ..FLOODED
    },
    // A worker takes fewer connections here than one address could hold (half of its own are closed after a 429):
    // were it not held to its share, nobody else would get in.
    Scenario {
        key: "e-one",
        name: "(e) 5,000 slow connections, one address",
        settings: Settings {
            max_connections: SLOW * 2 / 5,
            ..OPEN
        },
        attack: Attack::Slow(SLOW, Sources::One),
        least: 2 * SLOW as u64,
        counted: &[(
            r#"rendezvous_connections_refused_total{reason="per_client"}"#,
            2 * SLOW as u64,
        )],
        ..FLOODED
    },
    Scenario {
        key: "e-each",
        name: "(e) 5,000 slow connections, 2,500 addresses",
        attack: Attack::Slow(SLOW, Sources::Each),
        least: 2 * SLOW as u64,
        counted: &[
            (r#"rendezvous_connections{state="idle"}"#, SLOW as u64),
            (
                r#"rendezvous_timeouts_total{kind="header"}"#,
                SLOW as u64 / 4,
            ),
            (r#"rendezvous_timeouts_total{kind="body"}"#, SLOW as u64 / 4),
        ],
        ..FLOODED
    },
    Scenario {
        key: "f-one",
        name: "(f) writes to one session of its own, then to the next",
        attack: Attack::Write(1),
        counted: &[(
            r#"rendezvous_rejections_total{reason="requests_client"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    Scenario {
        key: "f-200",
        name: "(f) the same from 200 addresses",
        attack: Attack::Write(200),
        // Each session is written full. Whether its rate is met before depends on how fast the machine is: 250 writes
        // that take longer than three seconds are within it.
        counted: &[(r#"rendezvous_rejections_total{reason="writes_full"}"#, 200)],
        ..FLOODED
    },
    Scenario {
        key: "g",
        name: "(g) a user with a good token does all of it, 200 addresses",
        attack: Attack::User,
        counted: &[(
            r#"rendezvous_rejections_total{reason="create_user"}"#,
            1_000,
        )],
        ..AUTHENTICATED
    },
    Scenario {
        key: "h",
        name: "(h) 64 pollers retry each 429 without a pause",
        attack: Attack::Poll(64),
        counted: &[(
            r#"rendezvous_rejections_total{reason="requests_session"}"#,
            FLOOD,
        )],
        ..FLOODED
    },
    Scenario {
        key: "i-one",
        name: "(i) random access tokens, one address",
        attack: Attack::Tokens(Addresses::One),
        counted: &[(
            r#"rendezvous_rejections_total{reason="create_client"}"#,
            FLOOD,
        )],
        ..AUTHENTICATED
    },
    Scenario {
        key: "i-200",
        name: "(i) random access tokens, 200 addresses",
        attack: Attack::Tokens(Addresses::Many(200)),
        counted: &[
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
];
