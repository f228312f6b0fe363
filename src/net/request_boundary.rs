//! Detects whether hyper holds bytes of a head that is not complete.
//!
//! For `timeout_stream`. hyper reads whatever is on the socket: with the end of a request possibly
//! the beginning of the next. What it has left, it does not report. So this counts the bytes behind
//! a request's head, and compares them with the length of its body when the request has ended.
//!
//! It parses nothing: the length of a body is hyper's. It can be wrong in two cases. If a client
//! sends several requests at once, with bodies, it assumes that bytes are left. If a read ends with an
//! empty line of a body, it can miss the beginning of the next head. That head then has the timeout
//! of a silent client.

/// The position in the bytes of a connection's requests.
#[derive(Debug, Default)]
pub struct RequestBoundary {
    position: Position,
    /// The last bytes that were read, the newest in the lowest byte.
    last: u32,
}

#[derive(Debug, Default, Clone, Copy)]
enum Position {
    /// Before the first byte of a head. Empty lines may precede it.
    #[default]
    Start,
    /// In a head.
    Head,
    /// This many bytes after the end of a head.
    AfterHead(u64),
    /// Somewhere in several requests that were read at once.
    Unknown,
}

impl RequestBoundary {
    /// Records that hyper has read these bytes.
    pub fn on_read(&mut self, bytes: &[u8]) {
        let before = self.last;
        self.last = last_bytes(before, bytes);
        self.position = match self.position {
            Position::Start => match bytes.iter().position(|byte| !b"\r\n".contains(byte)) {
                Some(start) => self.position_in_head(0, &bytes[start..]),
                None => Position::Start,
            },
            Position::Head => self.position_in_head(before, bytes),
            Position::AfterHead(count) => Position::AfterHead(count + bytes.len() as u64),
            Position::Unknown => Position::Unknown,
        };
    }

    /// The position after these bytes, which begin in a head. `before` are the bytes before them.
    fn position_in_head(&self, before: u32, bytes: &[u8]) -> Position {
        // Most reads end with a head, and need no search.
        if is_empty_line(self.last) {
            return Position::AfterHead(0);
        }
        let mut line_ends = (0..bytes.len()).filter(|at| bytes[*at] == b'\n');
        let end = line_ends.find(|end| is_empty_line(last_bytes(before, &bytes[..=*end])));
        end.map_or(Position::Head, |end| {
            Position::AfterHead((bytes.len() - end - 1) as u64)
        })
    }

    /// Records that a request has ended. `body_length` is 0 if its body is chunked: such a body ends
    /// with an empty line, as a head does. Returns whether hyper has read bytes behind the request that
    /// are not a whole head.
    pub fn end_request(&mut self, body_length: u64) -> bool {
        let has_unread = match self.position {
            // Whole requests at most: an incomplete head does not end with an empty line.
            _ if is_empty_line(self.last) => false,
            Position::AfterHead(count) => count > body_length,
            _ => true,
        };
        self.position = if has_unread {
            Position::Unknown
        } else {
            Position::Start
        };
        has_unread
    }
}

/// The last four bytes after these, which follow the last four bytes `before`. The newest is the
/// lowest.
fn last_bytes(before: u32, bytes: &[u8]) -> u32 {
    let tail = &bytes[bytes.len().saturating_sub(size_of::<u32>())..];
    tail.iter()
        .fold(before, |last, byte| last << 8 | u32::from(*byte))
}

/// Whether these bytes end a head: with an empty line. Its line ends may be bare LF (RFC 9112
/// §2.2).
const fn is_empty_line(last: u32) -> bool {
    last & 0xFFFF == 0x0A0A || last & 0x00FF_FFFF == 0x000A_0D0A
}

#[cfg(test)]
mod tests;
