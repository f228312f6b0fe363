//! A Redis client of the tests' own: RESP2 on a blocking socket, with a deadline on every wait.
//!
//! For commands of a test itself. It shares no code with the client library of the server, so that
//! a mistake of one cannot hide a mistake of the other.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// A reply of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$2 hi`
    Bulk(Vec<u8>),
    /// `*2 …`
    Array(Vec<Reply>),
    /// Either form of nil.
    Nil,
}

impl Reply {
    /// The number in an integer, or in a string of digits.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Self::Integer(number) => *number,
            Self::Bulk(_) | Self::Simple(_) => self.text().parse().expect("a number"),
            _ => panic!("not a number: {self:?}"),
        }
    }

    /// The text of a string.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => panic!("not a string: {self:?}"),
        }
    }

    /// The elements of an array.
    #[track_caller]
    pub fn array(&self) -> &[Reply] {
        match self {
            Self::Array(elements) => elements,
            _ => panic!("not an array: {self:?}"),
        }
    }

    /// The elements of an array of strings.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        self.array().iter().map(Self::text).collect()
    }

    /// The bytes of a string.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bulk(bytes) => bytes,
            _ => panic!("not a string: {self:?}"),
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("Redis accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends one command and waits for its reply.
    #[track_caller]
    pub fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Reply {
        self.try_command(words).expect("a reply from Redis")
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// If the connection ends first. A sentinel closes the connections of a node that it promotes or
    /// demotes.
    pub fn try_command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> std::io::Result<Reply> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            let word = word.as_ref();
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request)?;
        read_reply(&mut self.stream)
    }
}

/// Reads one reply, nested ones included.
pub fn read_reply(from: &mut impl BufRead) -> std::io::Result<Reply> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let rest = line.get(1..).unwrap_or_default().trim_end();
    let number = || rest.parse::<i64>().map_err(std::io::Error::other);
    Ok(match line.as_bytes()[0] {
        b'+' => Reply::Simple(rest.to_owned()),
        b'-' => Reply::Error(rest.to_owned()),
        b':' => Reply::Integer(number()?),
        b'$' => match usize::try_from(number()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Reply::Bulk(bytes)
            }
            Err(_) => Reply::Nil,
        },
        b'*' => match usize::try_from(number()?) {
            Ok(length) => Reply::Array(
                (0..length)
                    .map(|_| read_reply(from))
                    .collect::<std::io::Result<_>>()?,
            ),
            Err(_) => Reply::Nil,
        },
        other => {
            return Err(std::io::Error::other(format!(
                "not RESP2: {:?}",
                other as char
            )));
        }
    })
}
