//! `testkit sessions`: creates sessions through the stable API, each from an address of its own,
//! and leaves them.

use std::net::SocketAddr;

use clap::Args;
use testkit::device::{Device, RequestFailure};
use testkit::dialect::{Caller, Dialect};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Number of sessions
    #[arg(long)]
    count: u32,
    /// First two octets of the addresses: 172.20
    #[arg(long)]
    network: String,
    /// Write to each session once
    #[arg(long)]
    write: bool,
    /// Stop without an error at the first rejected creation
    #[arg(long)]
    until_rejected: bool,
}

/// Creates the sessions one after the other.
pub async fn run(arguments: &Arguments) -> Result<(), String> {
    for number in 0..arguments.count {
        match create(arguments, number).await {
            Ok(()) => {}
            Err(RequestFailure::Rejected { .. }) if arguments.until_rejected => return Ok(()),
            Err(failure) => return Err(failure.to_string()),
        }
    }
    Ok(())
}

async fn create(arguments: &Arguments, number: u32) -> Result<(), RequestFailure> {
    let [third, fourth] = [number / 250, number % 250 + 1];
    let caller = Caller {
        address: Some(format!("{}.{third}.{fourth}", arguments.network)),
        token: None,
    };
    let mut device = Device::new(Dialect::StableJson, caller, &[arguments.server]);
    let session = device.create("").await?;
    if arguments.write {
        device.write(&session.path, "hello").await?;
    }
    Ok(())
}
