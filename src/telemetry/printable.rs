//! Escapes text from outside that is printed: no name or error text can move a terminal's cursor,
//! change the direction of the text, or begin a line of its own.
//!
//! Every log line passes `PrintableWriter`, whatever wrote it. Other output uses [`Printable`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use tracing_subscriber::fmt::MakeWriter;

/// A text that is printed in one line.
///
/// Control characters, format characters (such as U+202E, which reverses what follows), line and
/// paragraph separators, combining marks and unassigned characters are written as in JSON:
/// `\n`, `\u202e`.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0.as_bytes()) {
            return out.write_str(self.0);
        }
        for c in self.0.chars() {
            write_char(out, c)?;
        }
        Ok(())
    }
}

/// Prints lines to standard error. They may quote a file, a variable, an argument or a peer.
pub fn print_error(text: &str) {
    for line in text.lines() {
        // If even the terminal is gone, there is nowhere to report that.
        let _written = writeln!(io::stderr(), "{}", Printable(line));
    }
}

/// Whether all of the text is printable ASCII, as nearly every log line is.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

fn write_char(out: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        ' '..='~' => out.write_char(c),
        // The standard library escapes what is not printable, and combining marks.
        _ if c.escape_debug().len() == 1 => out.write_char(c),
        // Also valid inside a JSON string, and JSON has such characters nowhere else.
        _ => {
            let mut units = [0; 2];
            let mut units = c.encode_utf16(&mut units).iter();
            units.try_for_each(|unit| write!(out, "\\u{unit:04x}"))
        }
    }
}

/// A writer of log lines that makes each line [`Printable`]. A call of `write` must pass one whole
/// line, as those of `tracing_subscriber` do.
#[derive(Debug, Clone)]
pub(super) struct PrintableWriter<W>(pub(super) W);

impl<W: io::Write> io::Write for PrintableWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let written = if is_plain(text) {
            Cow::Borrowed(line)
        } else {
            let end = &line[text.len()..];
            let text = String::from_utf8_lossy(text);
            Cow::Owned([Printable(&text).to_string().as_bytes(), end].concat())
        };
        self.0.write_all(&written)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for PrintableWriter<W> {
    type Writer = PrintableWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        PrintableWriter(self.0.make_writer())
    }
}

#[cfg(test)]
mod tests {
    use super::{Printable, PrintableWriter};
    use std::io::Write;

    #[test]
    fn text_that_a_terminal_interprets_is_escaped() {
        for (text, printed) in [
            ("@anna:example.org", "@anna:example.org"),
            (
                "J\u{fc}rgen \u{4e2d}\u{6587} \u{1f600}",
                "J\u{fc}rgen \u{4e2d}\u{6587} \u{1f600}",
            ),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            // Escape sequences, in 7 and in 8 bits, and DEL.
            (
                "\u{1b}[31m \u{9b}31m \u{7f}",
                "\\u001b[31m \\u009b31m \\u007f",
            ),
            // Direction.
            ("\u{202e}\u{2066}\u{200f}", "\\u202e\\u2066\\u200f"),
            // Line and paragraph separators, and NEL.
            ("\u{2028}\u{2029}\u{85}", "\\u2028\\u2029\\u0085"),
            // Invisible: zero width, byte order mark, soft hyphen, tag characters, no-break space.
            (
                "\u{200b}\u{feff}\u{ad}\u{e0041}\u{a0}",
                "\\u200b\\ufeff\\u00ad\\udb40\\udc41\\u00a0",
            ),
            // A mark that overprints what stands before it.
            ("a\u{336}", "a\\u0336"),
        ] {
            assert_eq!(Printable(text).to_string(), printed);
        }
    }

    #[test]
    fn written_line_stays_one_line() {
        let mut writer = PrintableWriter(Vec::new());
        for line in ["plain user=x\n", "forged user=a\nb\u{202e}\n", "no end"] {
            writer.write_all(line.as_bytes()).expect("a vector");
        }
        writer.write_all(b"not UTF-8: \xff\n").expect("a vector");
        let text = String::from_utf8(writer.0).expect("text");
        let expected = "plain user=x\nforged user=a\\nb\\u202e\nno endnot UTF-8: \u{fffd}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn escaped_json_line_has_the_same_value() {
        let user = "@a\u{202e}\u{9b}\u{e0041}:x";
        let line = format!("{}\n", serde_json::json!({ "user": user }));
        let mut writer = PrintableWriter(Vec::new());
        writer.write_all(line.as_bytes()).expect("a vector");
        assert!(writer.0.is_ascii(), "{:?}", writer.0);
        let parsed: serde_json::Value = serde_json::from_slice(&writer.0).expect("JSON");
        assert_eq!(parsed["user"], user);
    }
}
