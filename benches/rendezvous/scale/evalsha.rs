//! The EVALSHA commands of a worker, as MONITOR shows them, prepared for redis-benchmark.
//!
//! So a bare call has the script, the keys and the arguments of a worker's call.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use testkit::PATIENCE;
use testkit::redis::RedisServer;
use testkit::redis::resp::read_reply;

/// What redis-benchmark replaces by a random number of 12 digits, at each occurrence in each call.
pub const RANDOM: &str = "__rand_int__";

/// The argument of an ECHO that ends a capture.
const END: &str = "end-of-capture";

/// One EVALSHA.
#[derive(Debug, Clone)]
pub struct EvalSha {
    words: Vec<Vec<u8>>,
    keys: usize,
}

/// Runs `action`, and returns the first EVALSHA of it for which `is_wanted` returns true.
pub fn capture(
    redis: &RedisServer,
    is_wanted: impl Fn(&EvalSha) -> bool,
    action: impl FnOnce(),
) -> Result<EvalSha, String> {
    let failed = |error: std::io::Error| format!("MONITOR: {error}");
    let stream = TcpStream::connect(redis.address()).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut monitor = BufReader::new(stream);
    monitor
        .get_mut()
        .write_all(b"MONITOR\r\n")
        .map_err(failed)?;
    read_reply(&mut monitor).map_err(failed)?;
    action();
    redis.command(&["ECHO", END]);
    loop {
        let line = read_reply(&mut monitor).map_err(failed)?.text();
        if line.contains(END) {
            return Err("MONITOR: the expected EVALSHA did not come".to_owned());
        }
        if let Some(found) = EvalSha::parse(&line).filter(&is_wanted) {
            return Ok(found);
        }
    }
}

impl EvalSha {
    /// Parses a line of MONITOR. Returns `None` for other commands, and for those of scripts.
    fn parse(line: &str) -> Option<Self> {
        let (_, quoted) = line.split_once("] ")?;
        let words = unquote(quoted.as_bytes())?;
        let is_evalsha = words.first()?.eq_ignore_ascii_case(b"evalsha");
        let keys = std::str::from_utf8(words.get(2)?).ok()?.parse().ok()?;
        (is_evalsha && words.len() > 3 + keys).then_some(Self { words, keys })
    }

    /// All words.
    pub fn words(&self) -> &[Vec<u8>] {
        &self.words
    }

    /// A key, as text.
    pub fn key(&self, index: usize) -> String {
        String::from_utf8_lossy(&self.words[3 + index]).into_owned()
    }

    /// Number of arguments of the script.
    pub fn argument_count(&self) -> usize {
        self.words.len() - 3 - self.keys
    }

    /// Whether a key contains this text.
    pub fn has_key(&self, part: &str) -> bool {
        (0..self.keys).any(|index| self.key(index).contains(part))
    }

    /// An argument of the script. The first one is the nonce.
    pub fn argument(&mut self, index: usize) -> &mut Vec<u8> {
        &mut self.words[3 + self.keys + index]
    }

    /// Makes each call one of another session: with a random end of its id, and a random member of
    /// the index of leases if `has_member`. The member has 12 bytes, as many as the random number.
    pub fn with_random_session(mut self, id: &str, has_member: bool) -> Self {
        let (start, _) = id.split_at(id.len() - RANDOM.len());
        for key in &mut self.words[3..3 + self.keys] {
            let text = String::from_utf8_lossy(key);
            *key = text.replace(id, &format!("{start}{RANDOM}")).into_bytes();
        }
        if has_member {
            *self.argument(1) = RANDOM.into();
        }
        self
    }

    /// Makes each call one of another principal, with a random start of its hash. `kind` is the
    /// letter of the principal.
    pub fn with_random_principal(mut self, kind: char) -> Self {
        let mark = format!("}}:{kind}:");
        for key in &mut self.words[3..3 + self.keys] {
            let text = String::from_utf8_lossy(key).into_owned();
            if let Some((prefix, hash)) = text.split_once(&mark) {
                *key = format!("{prefix}{mark}{RANDOM}{}", &hash[RANDOM.len()..]).into_bytes();
            }
        }
        self
    }
}

/// The words of a line in which Redis has quoted and escaped each one.
fn unquote(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'"' {
            continue;
        }
        let mut word = Vec::new();
        loop {
            word.push(match bytes.next()? {
                b'"' => break,
                b'\\' => match bytes.next()? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    b'x' => {
                        let digits = [bytes.next()?, bytes.next()?];
                        u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                    }
                    other => other,
                },
                other => other,
            });
        }
        words.push(word);
    }
    Some(words)
}
