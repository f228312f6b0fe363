//! HTTP/2 frames as bytes, for tests and attacks that need the exact frames on the wire.

/// The first bytes of a client that uses HTTP/2 without TLS (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a DATA frame (RFC 9113, 6).
pub const DATA: u8 = 0;
/// The type of a HEADERS frame.
pub const HEADERS: u8 = 1;
/// The type of a PRIORITY frame.
pub const PRIORITY: u8 = 2;
/// The type of a `RST_STREAM` frame.
pub const RST_STREAM: u8 = 3;
/// The type of a SETTINGS frame.
pub const SETTINGS: u8 = 4;
/// The type of a PING frame.
pub const PING: u8 = 6;
/// The type of a GOAWAY frame.
pub const GOAWAY: u8 = 7;
/// The type of a `WINDOW_UPDATE` frame.
pub const WINDOW_UPDATE: u8 = 8;

/// The flag of the last DATA or HEADERS frame of a stream.
pub const END_STREAM: u8 = 1;
/// The flag of a HEADERS frame that no CONTINUATION follows.
pub const END_HEADERS: u8 = 4;

/// Returns the bytes of a frame.
///
/// # Panics
/// If the payload is longer than 65,535 bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes();
    let mut bytes = vec![0, high, low, kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Returns a request without a body on this stream.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get_head(path))
}

/// Returns a request that a proxy forwards for this client.
pub fn get_for(stream: u32, path: &str, client: &str) -> Vec<u8> {
    let mut head = get_head(path);
    // A literal without indexing, with a literal name.
    head.push(0);
    push_short(&mut head, "x-forwarded-for");
    push_short(&mut head, client);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)
}

/// Returns the head of a GET request: HPACK without dynamic table and Huffman coding. `:method GET`
/// and `:scheme http` are indexed, path and authority are literals.
///
/// # Panics
/// If the path is longer than 126 bytes.
pub fn get_head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(0x04, path), (0x01, "rendezvous.test")] {
        block.push(name);
        push_short(&mut block, value);
    }
    block
}

/// Returns the header block of a GET with one more header field, with a lower-case name.
///
/// # Panics
/// If one of the strings is longer than 126 bytes.
pub fn get_with(path: &str, name: &str, value: &str) -> Vec<u8> {
    let mut block = get_head(path);
    // A literal without indexing, with a new name (RFC 7541, 6.2.2).
    block.push(0x00);
    push_short(&mut block, name);
    push_short(&mut block, value);
    block
}

/// Appends a string of less than 127 bytes, without Huffman coding.
fn push_short(block: &mut Vec<u8>, value: &str) {
    let length = u8::try_from(value.len())
        .ok()
        .filter(|length| *length < 127);
    block.push(length.expect("a short value"));
    block.extend_from_slice(value.as_bytes());
}

/// Returns SETTINGS with the initial window of each stream's response (RFC 9113, 6.5.2).
pub fn initial_window(bytes: u32) -> Vec<u8> {
    let [first, second, third, fourth] = bytes.to_be_bytes();
    frame(SETTINGS, 0, 0, &[0, 4, first, second, third, fourth])
}
