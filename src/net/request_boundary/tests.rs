//! Sequences of reads and ends of requests.

use super::RequestBoundary;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] =
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
/// The length of no body, and of a chunked one.
const NO_BODY: u64 = 0;
const FIVE: u64 = 5;
const REQUESTS: [(&[u8], u64); 3] = [(GET, NO_BODY), (POST, FIVE), (CHUNKED, NO_BODY)];

/// Whether bytes are left after these bytes were read in pieces of this size.
fn has_unread(bytes: &[u8], size: usize, ends: &[u64]) -> bool {
    let mut boundary = RequestBoundary::default();
    for piece in bytes.chunks(size) {
        boundary.on_read(piece);
    }
    let ends = ends.iter().map(|body| boundary.end_request(*body));
    ends.last().expect("a request")
}

#[test]
fn whole_request_leaves_nothing_in_any_pieces() {
    for (request, body) in REQUESTS {
        for size in 1..=request.len() {
            assert!(!has_unread(request, size, &[body]), "{body:?} {size}");
        }
    }
}

#[test]
fn part_of_a_head_is_unread_in_any_pieces() {
    for (request, body) in REQUESTS {
        for part in 1..GET.len() {
            let bytes = [request, &GET[..part]].concat();
            for size in 1..=bytes.len() {
                assert!(has_unread(&bytes, size, &[body]), "{body:?} {part} {size}");
            }
        }
    }
}

#[test]
fn part_of_a_head_after_several_requests_is_unread() {
    for (first, one) in REQUESTS {
        for (second, two) in REQUESTS {
            let bytes = [first, second, &GET[..9]].concat();
            assert!(
                has_unread(&bytes, bytes.len(), &[one, two]),
                "{one:?} {two:?}"
            );
        }
    }
}

#[test]
fn consecutive_requests_leave_nothing() {
    let mut boundary = RequestBoundary::default();
    for (request, body) in REQUESTS.repeat(3) {
        boundary.on_read(request);
        assert!(!boundary.end_request(body), "{body:?}");
    }
}

#[test]
fn several_requests_at_once_leave_nothing() {
    for (first, one) in [REQUESTS[0], REQUESTS[2]] {
        for (second, two) in [REQUESTS[0], REQUESTS[2]] {
            let bytes = [first, second].concat();
            assert!(
                !has_unread(&bytes, bytes.len(), &[one, two]),
                "{one:?} {two:?}"
            );
        }
    }
}

/// After several requests at once the position is found again.
#[test]
fn position_is_found_again_after_a_request_without_body() {
    let mut boundary = RequestBoundary::default();
    boundary.on_read(&[POST, POST].concat());
    assert!(boundary.end_request(FIVE));
    assert!(boundary.end_request(FIVE), "assumed, and wrong");
    for (request, body) in REQUESTS {
        boundary.on_read(request);
        assert!(!boundary.end_request(body), "{body:?}");
    }
}

/// Between requests that were read at once, nothing is taken for the beginning of a head.
#[test]
fn empty_line_of_a_body_does_not_end_a_head() {
    let mut boundary = RequestBoundary::default();
    let head = &POST[..POST.len() - 5];
    boundary.on_read(&[POST, head, b"a"].concat());
    assert!(boundary.end_request(FIVE));
    boundary.on_read(b"b");
    boundary.on_read(b"c\n\nGE");
    assert!(boundary.end_request(FIVE), "GE is unread");
    boundary.on_read(&GET[2..]);
    assert!(!boundary.end_request(NO_BODY));
}

/// The server may respond before it has read the whole body.
#[test]
fn incomplete_body_leaves_nothing() {
    let mut boundary = RequestBoundary::default();
    boundary.on_read(&POST[..POST.len() - 1]);
    assert!(!boundary.end_request(FIVE));
}

#[test]
fn empty_lines_before_a_head_are_skipped() {
    for (request, body) in REQUESTS {
        let bytes = [b"\r\n\r\n\n", request].concat();
        for size in 1..=bytes.len() {
            assert!(!has_unread(&bytes, size, &[body]), "{body:?} {size}");
        }
    }
}

#[test]
fn bare_line_feeds_end_a_head() {
    let bytes = b"POST / HTTP/1.1\nContent-Length: 5\n\nhello";
    for size in 1..=bytes.len() {
        assert!(!has_unread(bytes, size, &[FIVE]), "{size}");
        let with_part = [&bytes[..], b"GET"].concat();
        assert!(has_unread(&with_part, size, &[FIVE]), "{size}");
    }
}
