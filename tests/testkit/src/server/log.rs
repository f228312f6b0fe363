//! The log of a server under test: its standard error, and the fields of a line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

/// What a server has written to its standard error. A thread reads it, so that the server never
/// blocks.
#[derive(Clone, Debug)]
pub(super) struct Log(Arc<Mutex<String>>);

impl Log {
    /// Reads this output in a thread, until it ends.
    pub(super) fn read(output: impl Read + Send + 'static) -> Self {
        let log = Self(Arc::default());
        let written = Arc::clone(&log.0);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut written = written.lock().unwrap();
                written.push_str(&line);
                written.push('\n');
            }
        });
        log
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// The addresses in lines such as `… listening listener=http address=127.0.0.1:41234`, or the
    /// same in JSON.
    pub(super) fn addresses_of(&self, listener: &str) -> Vec<String> {
        let text = self.text();
        let lines = text
            .lines()
            .filter(|line| line.contains("listening") && field(line, "listener") == Some(listener));
        let addresses = lines.map(|line| field(line, "address").expect("an address").to_owned());
        addresses.collect()
    }
}

/// A field of a log line, in either format.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let quoted = format!("\"{name}\":");
    let plain = format!("{name}=");
    let at = line.find(&quoted).map(|at| at + quoted.len());
    let at = at.or_else(|| line.find(&plain).map(|at| at + plain.len()))?;
    line[at..]
        .split(['"', ' ', ',', '}'])
        .find(|value| !value.is_empty())
}
