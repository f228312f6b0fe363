//! What one connection asks for: creates, polls, writes, or whole sign-ins.
//!
//! For `load`, which sends what `request` gives and hands the reply back to `accept`. The requests'
//! unchanging parts are serialised once. It never looks further into a reply than for the id and the
//! token that the next request needs.

use crate::client::Reply;
use clap::ValueEnum;
use std::rc::Rc;

/// Where the dialect lives.
pub const PATH: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// Writes of one sign-in, both devices together (as the released clients make it).
const FLOW_WRITES: usize = 8;

/// Writes to one session before the next is created: fewer than `session.max_writes` lets through, so many
/// that the creations do not count.
const SESSION_WRITES: usize = 200;

/// Requests of one sign-in: create, the other device's first poll, each write and the other device's
/// poll that finds it, delete.
pub const FLOW_REQUESTS: usize = 2 + 2 * FLOW_WRITES + 1;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// New sessions, one after the other.
    Create,
    /// One session, read again and again.
    Poll,
    /// One session, written again and again, each time with the token of the last write.
    Write,
    /// Sign-ins, as their two devices make them, over one connection as a proxy's pool has it.
    Flow,
}

impl Scenario {
    /// Its name in tables and in `--only`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Poll => "poll",
            Self::Write => "write",
            Self::Flow => "flow",
        }
    }
}

/// The state of one connection's part.
#[derive(Debug)]
pub struct Driver {
    scenario: Scenario,
    payloads: Rc<[String]>,
    /// None: a create comes next, also after an error, whatever the scenario.
    session: Option<Session>,
    /// Requests made; picks the payload, and in a flow it is the place in the flow.
    step: usize,
    request: Vec<u8>,
}

#[derive(Debug)]
struct Session {
    id: String,
    token: String,
}

/// What a flow does at its step.
enum Act {
    Create,
    Poll,
    Write,
    Delete,
}

impl Driver {
    /// A part in `scenario` that begins with a create.
    pub fn new(scenario: Scenario, payloads: Rc<[String]>) -> Self {
        Self {
            scenario,
            payloads,
            session: None,
            step: 0,
            request: Vec::with_capacity(2048),
        }
    }

    /// For a server that answers fixed bytes and creates nothing: as if this session existed.
    pub fn assume_session(&mut self) {
        self.session = Some(Session {
            id: "0".repeat(32),
            token: "0".repeat(24),
        });
    }

    /// Whether a session must be created before the scenario itself can begin.
    pub fn needs_session(&self) -> bool {
        matches!(self.scenario, Scenario::Poll | Scenario::Write) && self.session.is_none()
    }

    /// The next request.
    pub fn request(&mut self) -> &[u8] {
        let payload = &self.payloads[self.step % self.payloads.len()];
        let act = self.act();
        let out = &mut self.request;
        out.clear();
        match (act, &self.session) {
            (Act::Create, _) | (_, None) => {
                let parts = ["{\"data\":\"", payload, "\"}"];
                line(out, "POST", "");
                body(out, &parts);
            }
            (Act::Poll, Some(session)) => {
                line(out, "GET", &session.id);
                out.extend_from_slice(b"\r\n");
            }
            (Act::Write, Some(session)) => {
                let token = &session.token;
                let parts = [
                    "{\"sequence_token\":\"",
                    token,
                    "\",\"data\":\"",
                    payload,
                    "\"}",
                ];
                line(out, "PUT", &session.id);
                body(out, &parts);
            }
            (Act::Delete, Some(session)) => {
                line(out, "DELETE", &session.id);
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }

    /// Takes the reply to the last request; false where it is not the one that was due.
    pub fn accept(&mut self, reply: Reply<'_>) -> bool {
        let good = (200..300).contains(&reply.status) && self.learn(reply.body).is_some();
        self.step += 1;
        let full = self.scenario == Scenario::Write && self.step > SESSION_WRITES;
        if !good || full {
            self.restart();
        }
        good
    }

    /// After an error: the next request creates a session.
    pub fn restart(&mut self) {
        self.session = None;
        self.step = 0;
    }

    fn learn(&mut self, body: &[u8]) -> Option<()> {
        match (self.act(), &mut self.session) {
            (Act::Create, _) if self.scenario == Scenario::Create => {}
            (Act::Create, _) | (_, None) => {
                let [id, token] = ["id", "sequence_token"].map(|name| member(body, name));
                self.session = Some(Session {
                    id: id?.to_owned(),
                    token: token?.to_owned(),
                });
            }
            // The poll of a flow finds what the other device has just written, or the flow failed.
            (Act::Poll, Some(session)) if self.scenario == Scenario::Flow => {
                return (member(body, "sequence_token")? == session.token).then_some(());
            }
            (Act::Poll, Some(_)) => {}
            (Act::Write, Some(session)) => {
                session.token.clear();
                session.token.push_str(member(body, "sequence_token")?);
            }
            (Act::Delete, Some(_)) => self.session = None,
        }
        Some(())
    }

    fn act(&self) -> Act {
        match self.scenario {
            Scenario::Create => Act::Create,
            Scenario::Poll => Act::Poll,
            Scenario::Write => Act::Write,
            Scenario::Flow => match self.step % FLOW_REQUESTS {
                0 => Act::Create,
                step if step == FLOW_REQUESTS - 1 => Act::Delete,
                step if step % 2 == 0 => Act::Write,
                _ => Act::Poll,
            },
        }
    }
}

/// Request line and the headers that both SDKs send, so that there is something to parse.
fn line(out: &mut Vec<u8>, method: &str, id: &str) {
    let slash = if id.is_empty() { "" } else { "/" };
    for part in [method, " ", PATH, slash, id, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(
        b"host: rendezvous.example.org\r\nuser-agent: bench/1\r\naccept: */*\r\n",
    );
}

fn body(out: &mut Vec<u8>, parts: &[&str]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The text of a member whose value has no escapes. From the end, since the payload stands first.
fn member<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    let found = text
        .rmatch_indices(name)
        .find(|(at, _)| text[..*at].ends_with('"') && text[at + name.len()..].starts_with("\":\""));
    let value = &text[found?.0 + name.len() + 3..];
    Some(&value[..value.find('"')?])
}
