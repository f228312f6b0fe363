//! `testkit homeserver`: says which user an access token belongs to.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use testkit::homeserver::{HomeserverStub, KnownTokens};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address to listen on
    #[arg(long)]
    listen: SocketAddr,
    /// The one known access token; without it every token is known, and each belongs to another
    /// user
    #[arg(long)]
    token: Option<String>,
    /// The user of the one token
    #[arg(long, default_value = "@one:example.org")]
    user: String,
}

/// Runs until the process is killed.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let tokens = match &arguments.token {
        Some(token) => KnownTokens::One {
            token: token.clone(),
            user: arguments.user.clone(),
        },
        None => KnownTokens::WithPrefix(String::new()),
    };
    let _homeserver = HomeserverStub::start_knowing(arguments.listen, tokens, Duration::ZERO);
    loop {
        std::thread::park();
    }
}
