//! A budget of HTTP/2 frames that are no requests. A connection that exceeds it ends.
//!
//! h2 bounds resets, empty and tiny DATA frames, and CONTINUATION frames. It reads any number of
//! `WINDOW_UPDATE`, SETTINGS, PRIORITY and PING frames, nine bytes and more each: 100 connections that
//! send nothing else made the polls of others wait for half a second. So `limited_stream`, below h2,
//! counts frames by their headers.
//!
//! The budget grows with requests, as in Envoy (`max_inbound_priority_frames_per_stream`,
//! `max_inbound_window_update_frames_per_data_frame_sent`), and needs no clock: a connection without
//! requests ends after `http.idle_timeout` in any case.

use crate::net::http2::preface::HTTP2_PREFACE;

/// Frames that a new connection may send before its first request. Real clients send up to ten:
/// SETTINGS, its acknowledgement, a `WINDOW_UPDATE`, and six PRIORITY frames in old browsers.
const INITIAL_FRAMES: u32 = 100;

/// Frames that each request adds. A real one needs less than ten: its own DATA frames, a
/// `WINDOW_UPDATE` or two for each of at most two DATA frames of the response, perhaps a PRIORITY, a
/// PING and a reset. Thirty cost the server about as much as the request does.
const FRAMES_PER_REQUEST: u32 = 32;

/// Upper bound of the budget: that of 32 requests, as many as a connection may have at a time.
/// Without it, a connection could save up frames for a flood.
const MAX_FRAMES: u32 = 32 * FRAMES_PER_REQUEST;

/// DATA frames of at least this size are free: they are limited as bodies are. h2 has the same
/// threshold, but not for frames with `END_STREAM`, of which it reads any number on a stream that has
/// ended.
const MIN_DATA_BYTES: usize = 256;

const HEADER_BYTES: usize = 9;

/// Frame types (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// The error of a connection that has exceeded its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many HTTP/2 frames without a request")]
pub struct FrameBudgetExceeded;

/// Counts the frames of one connection in the bytes that its client sends.
#[derive(Debug)]
pub struct FrameBudget {
    /// Bytes before the next frame header: the rest of the preface or of a payload.
    skipped: usize,
    /// The next frame header, and how many of its bytes have arrived.
    header: [u8; HEADER_BYTES],
    received: usize,
    /// The highest stream id so far. HEADERS with a higher one are a request, and with another one
    /// they are trailers.
    last_stream: u32,
    remaining: u32,
}

impl Default for FrameBudget {
    /// The budget of a new connection, before its preface.
    fn default() -> Self {
        Self {
            skipped: HTTP2_PREFACE.len(),
            header: [0; HEADER_BYTES],
            received: 0,
            last_stream: 0,
            remaining: INITIAL_FRAMES,
        }
    }
}

impl FrameBudget {
    /// Counts the frames in the next bytes of the connection, however they are split. Whether the
    /// frames are valid is for h2 to decide.
    ///
    /// # Errors
    /// [`FrameBudgetExceeded`] if the budget is used up.
    pub fn record(&mut self, mut bytes: &[u8]) -> Result<(), FrameBudgetExceeded> {
        loop {
            let skipped = bytes.len().min(self.skipped);
            bytes = &bytes[skipped..];
            self.skipped -= skipped;
            if bytes.is_empty() {
                return Ok(());
            }
            let length = bytes.len().min(HEADER_BYTES - self.received);
            let (part, rest) = bytes.split_at(length);
            self.header[self.received..][..length].copy_from_slice(part);
            self.received += length;
            bytes = rest;
            if self.received == HEADER_BYTES {
                self.received = 0;
                self.record_frame()?;
            }
        }
    }

    /// Counts the frame with this header (RFC 9113 §4.1).
    fn record_frame(&mut self) -> Result<(), FrameBudgetExceeded> {
        let [l0, l1, l2, kind, _flags, s0, s1, s2, s3] = self.header;
        let length = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        self.skipped = length;
        if kind == HEADERS && stream > self.last_stream {
            self.last_stream = stream;
            self.remaining = (self.remaining + FRAMES_PER_REQUEST).min(MAX_FRAMES);
            return Ok(());
        }
        if kind == DATA && length >= MIN_DATA_BYTES {
            return Ok(());
        }
        self.remaining = self.remaining.checked_sub(1).ok_or(FrameBudgetExceeded)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        DATA, FRAMES_PER_REQUEST, FrameBudget, FrameBudgetExceeded, HEADERS, INITIAL_FRAMES,
        MAX_FRAMES, MIN_DATA_BYTES,
    };
    use crate::net::http2::preface::HTTP2_PREFACE;

    const PING: u8 = 6;
    const END_STREAM: u8 = 1;
    /// A flag of DATA.
    const PADDED: u8 = 8;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        let length_bytes = u32::try_from(length).expect("a length").to_be_bytes();
        let [_, high, middle, low] = length_bytes;
        let mut bytes = vec![high, middle, low, kind, flags];
        bytes.extend(stream.to_be_bytes());
        // Payloads of 0xff: read as a header, they would be a frame of 16 MiB.
        bytes.extend(vec![0xff; length]);
        bytes
    }

    fn ping() -> Vec<u8> {
        frame(PING, 0, 0, 8)
    }

    fn begun() -> FrameBudget {
        let mut budget = FrameBudget::default();
        budget.record(HTTP2_PREFACE).expect("a preface is no frame");
        budget
    }

    /// Sends frames until the budget is exceeded. Returns the number of accepted frames.
    fn accepted(budget: &mut FrameBudget, frame: &[u8]) -> u32 {
        let mut accepted = 0;
        while budget.record(frame).is_ok() {
            accepted += 1;
            assert!(accepted < 100_000, "the frames are free");
        }
        accepted
    }

    #[test]
    fn frames_without_request_exceed_the_budget() {
        for (kind, length) in [(PING, 8), (2, 5), (4, 0), (8, 4), (DATA, 1), (77, 300)] {
            let frame = frame(kind, 0, 1, length);
            assert_eq!(accepted(&mut begun(), &frame), INITIAL_FRAMES, "{kind}");
        }
    }

    #[test]
    fn budget_is_the_same_for_every_split_of_the_bytes() {
        let mut bytes = HTTP2_PREFACE.to_vec();
        (0..INITIAL_FRAMES).for_each(|_| bytes.extend(ping()));
        for size in [1, 2, 8, 9, 10, 16, 17, 24, 1000] {
            let mut budget = FrameBudget::default();
            for part in bytes.chunks(size) {
                assert_eq!(budget.record(part), Ok(()), "in parts of {size} bytes");
            }
            let last = ping();
            assert_eq!(budget.record(&last), Err(FrameBudgetExceeded));
        }
    }

    #[test]
    fn each_request_adds_to_the_budget_up_to_its_maximum() {
        let mut budget = begun();
        budget.record(&frame(HEADERS, 0, 1, 20)).expect("a request");
        let expected = INITIAL_FRAMES + FRAMES_PER_REQUEST;
        assert_eq!(accepted(&mut budget, &ping()), expected);
        let mut budget = begun();
        for stream in (1..1000).step_by(2) {
            let request = frame(HEADERS, END_STREAM, stream, 20);
            budget.record(&request).expect("a request");
        }
        assert_eq!(accepted(&mut budget, &ping()), MAX_FRAMES);
    }

    #[test]
    fn trailers_are_no_request() {
        let expected = INITIAL_FRAMES + FRAMES_PER_REQUEST;
        for stream in [3, 1, 0, 1 << 31] {
            let mut budget = begun();
            budget.record(&frame(HEADERS, 0, 3, 20)).expect("a request");
            let trailers = frame(HEADERS, END_STREAM, stream, 20);
            assert_eq!(accepted(&mut budget, &trailers), expected, "{stream}");
        }
    }

    #[test]
    fn data_frames_of_a_body_are_free() {
        let mut budget = begun();
        for length in [MIN_DATA_BYTES, 16_384, 1 << 16] {
            let part = frame(DATA, 0, 1, length);
            (0..1000).for_each(|_| assert_eq!(budget.record(&part), Ok(())));
        }
        // They have not used up anything.
        let tiny = frame(DATA, 0, 1, MIN_DATA_BYTES - 1);
        assert_eq!(accepted(&mut budget, &tiny), INITIAL_FRAMES);
    }

    #[test]
    fn tiny_data_frames_are_charged_whatever_their_flags() {
        for flags in [0, PADDED, END_STREAM, END_STREAM | PADDED] {
            for length in [0, 1, MIN_DATA_BYTES - 1] {
                let tiny = frame(DATA, flags, 1, length);
                assert_eq!(accepted(&mut begun(), &tiny), INITIAL_FRAMES, "{flags}");
            }
        }
    }
}
