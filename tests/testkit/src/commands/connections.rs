//! `testkit connections`: holds idle connections.

use std::net::{SocketAddr, TcpStream};

use clap::Args;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Number of connections
    #[arg(long)]
    count: usize,
}

/// Runs until the process is killed.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let connect = |_| TcpStream::connect(arguments.server);
    let connections = (0..arguments.count).map(connect);
    let _connections: Vec<TcpStream> = connections
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    loop {
        std::thread::park();
    }
}
