//! What a [`Connection`](super::Connection) sends its bytes over: a socket, or TLS over one.

use std::io::{Read, Result, Write};
use std::net::Shutdown;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::Socket;

/// A socket, or TLS over one.
pub enum Transport {
    /// A socket.
    Plain(Socket),
    /// TLS over a socket, after its handshake.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Transport {
    /// Sends these bytes, together with the first ones of the handshake, and completes it.
    pub fn secure(self, before: &[u8], tls: &Arc<ClientConfig>) -> Result<Self> {
        let Self::Plain(mut socket) = self else {
            panic!("TLS over TLS");
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::clone(tls), name);
        let mut client = client.map_err(std::io::Error::other)?;
        let mut first = before.to_vec();
        client.write_tls(&mut first)?;
        socket.write_all(&first)?;
        while client.is_handshaking() {
            client.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(client, socket))))
    }

    /// The TLS, if there is any.
    pub fn tls(&self) -> Option<&ClientConnection> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(&stream.conn),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Closes the sending side.
    pub fn close_write(&mut self) -> Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.socket().shutdown(Shutdown::Write)
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => {
                let count = stream.write(bytes)?;
                stream.flush()?;
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
