//! `testkit pollers`: devices that poll once a second, each from an address and on a connection of
//! its own, two of them on each session.
//!
//! It prints `open` when all have had a reply, and waits for a line on its input. Then it polls,
//! prints the number of polls, and waits for another line: until then the connections stay open.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use testkit::device::Device;
use testkit::dialect::{Caller, Dialect};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Time between two polls of a device.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Number of devices
    #[arg(long)]
    devices: u32,
    /// Duration of the polls in seconds
    #[arg(long)]
    seconds: u32,
}

/// Runs as the module says. Every reply must be a success.
pub async fn run(arguments: &Arguments) -> Result<(), String> {
    let mut devices = Vec::new();
    let mut path = String::new();
    for number in 0..arguments.devices {
        let [_, _, high, low] = number.to_be_bytes();
        let caller = Caller {
            address: Some(format!("10.1.{high}.{low}")),
            token: None,
        };
        let mut device = Device::new(Dialect::Json, caller, &[arguments.server]);
        if number % 2 == 0 {
            path = device.create(&"x".repeat(800)).await?.path;
        }
        device.poll(&path).await?;
        devices.push((device, path.clone()));
    }
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    println!("open");
    wait_for_line(&mut input).await?;

    let start = Instant::now();
    let end = start + INTERVAL * arguments.seconds;
    let mut tasks = JoinSet::new();
    for (number, (mut device, path)) in (0..).zip(devices) {
        // The devices are spread evenly over each second.
        let first = start + INTERVAL * number / arguments.devices;
        tasks.spawn(async move {
            let (mut polls, mut next) = (0_u32, first);
            while next < end {
                sleep_until(next).await;
                device.poll(&path).await?;
                polls += 1;
                next += INTERVAL;
            }
            Ok::<_, String>((device, polls))
        });
    }
    let (mut total, mut open) = (0, Vec::new());
    for ended in tasks.join_all().await {
        let (device, polls) = ended?;
        total += polls;
        open.push(device);
    }
    println!("{total}");
    wait_for_line(&mut input).await
}

async fn wait_for_line(input: &mut Lines<BufReader<Stdin>>) -> Result<(), String> {
    let line = input.next_line().await;
    line.map(drop).map_err(|error| error.to_string())
}
