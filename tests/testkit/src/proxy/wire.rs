//! Reads RESP2 in whole frames and keeps their bytes.

use std::io::{BufRead, Error, ErrorKind, Result};

use crate::redis::Reply;
use crate::redis::resp::read_reply;

/// The bytes of one command or one reply.
pub type Frame = Vec<u8>;

/// Reads one frame, nested ones included.
pub fn read_frame(from: &mut impl BufRead) -> Result<Frame> {
    let mut frame = Frame::new();
    append_frame(from, &mut frame)?;
    Ok(frame)
}

fn append_frame(from: &mut impl BufRead, frame: &mut Frame) -> Result<()> {
    let start = frame.len();
    if from.read_until(b'\n', frame)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let line = String::from_utf8_lossy(&frame[start..]).into_owned();
    let count = || line[1..].trim_end().parse::<i64>().map_err(Error::other);
    match line.as_bytes()[0] {
        b'+' | b'-' | b':' => Ok(()),
        // A negative length is nil, which has no body.
        b'$' => {
            let Ok(length) = usize::try_from(count()?) else {
                return Ok(());
            };
            let body = frame.len();
            frame.resize(body + length + 2, 0);
            from.read_exact(&mut frame[body..])
        }
        b'*' => (0..count()?).try_for_each(|_| append_frame(from, frame)),
        _ => Err(Error::other(format!("not RESP2: {line:?}"))),
    }
}

/// The words of a command; `None` if the frame is not an array of bulk strings.
pub fn words(frame: &Frame) -> Option<Vec<Vec<u8>>> {
    let Reply::Array(elements) = read_reply(&mut frame.as_slice()).ok()? else {
        return None;
    };
    let word = |element| match element {
        Reply::Bulk(bytes) => Some(bytes),
        _ => None,
    };
    elements.into_iter().map(word).collect()
}
