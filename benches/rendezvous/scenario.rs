//! The requests of one connection: creates, polls, writes, or whole sign-ins.
//!
//! `load` sends what `request` returns and passes the reply to `accept`. Of a reply only the id and
//! the token are parsed, which the next request needs.

use clap::ValueEnum;
use std::rc::Rc;
use testkit::dialect::{Caller, Dialect};
use testkit::keep_alive::ReplyBytes;

/// The path of the dialect.
pub const PATH: &str = testkit::api::UNSTABLE;

/// Writes of one sign-in by both devices, as released clients make it.
const FLOW_WRITES: usize = 8;

/// Writes to one session before the next is created: fewer than `session.max_writes`, and enough
/// that the creations do not matter.
const SESSION_WRITES: usize = 200;

/// Requests of one sign-in: create, the other device's first poll, each write and the other
/// device's poll that finds it, delete.
pub const FLOW_REQUESTS: usize = 2 + 2 * FLOW_WRITES + 1;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// Creates one session after the other.
    Create,
    /// Reads one session again and again.
    Poll,
    /// Writes to one session again and again, each time with the token of the last write.
    Write,
    /// Makes sign-ins as two devices do, over one connection as of a proxy's pool.
    Flow,
    /// Polls one session of the `ETag` dialect, of which the client has the payload: status 304.
    #[value(skip)]
    Unchanged,
    /// Creates a session and deletes it, in turn.
    #[value(skip)]
    Delete,
}

impl Scenario {
    /// Its name in tables and in `--only`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Poll => "poll",
            Self::Write => "write",
            Self::Flow => "flow",
            Self::Unchanged => "poll (304)",
            Self::Delete => "create, delete",
        }
    }
}

/// The state of one connection.
#[derive(Debug)]
pub struct Driver {
    scenario: Scenario,
    payloads: Rc<[String]>,
    /// If it is `None`, the next request is a create, whatever the scenario. So it is after an
    /// error.
    session: Option<Session>,
    /// Number of requests. It selects the payload, and the step of a flow.
    step: usize,
    request: Vec<u8>,
}

#[derive(Debug)]
struct Session {
    id: String,
    token: String,
}

/// A request.
enum Action {
    Create,
    Poll,
    Write,
    Delete,
}

impl Driver {
    /// The state of a connection that begins with a create.
    pub fn new(scenario: Scenario, payloads: Rc<[String]>) -> Self {
        Self {
            scenario,
            payloads,
            session: None,
            step: 0,
            request: Vec::with_capacity(2048),
        }
    }

    /// Assumes a session, for a server that sends fixed bytes and creates none.
    pub fn assume_session(&mut self) {
        self.session = Some(Session {
            id: "0".repeat(32),
            token: "0".repeat(24),
        });
    }

    /// Whether a session must be created before the scenario itself can begin.
    pub fn needs_session(&self) -> bool {
        let polls_or_writes = matches!(
            self.scenario,
            Scenario::Poll | Scenario::Unchanged | Scenario::Write
        );
        polls_or_writes && self.session.is_none()
    }

    /// The next request.
    pub fn request(&mut self) -> &[u8] {
        let payload = &self.payloads[self.step % self.payloads.len()];
        let action = self.action();
        if self.scenario == Scenario::Unchanged {
            self.request = self.etag_request(payload);
            return &self.request;
        }
        let out = &mut self.request;
        out.clear();
        match (action, &self.session) {
            (Action::Create, _) | (_, None) => {
                let parts = ["{\"data\":\"", payload, "\"}"];
                write_head(out, "POST", "");
                write_body(out, &parts);
            }
            (Action::Poll, Some(session)) => {
                write_head(out, "GET", &session.id);
                out.extend_from_slice(b"\r\n");
            }
            (Action::Write, Some(session)) => {
                let token = &session.token;
                let parts = [
                    "{\"sequence_token\":\"",
                    token,
                    "\",\"data\":\"",
                    payload,
                    "\"}",
                ];
                write_head(out, "PUT", &session.id);
                write_body(out, &parts);
            }
            (Action::Delete, Some(session)) => {
                write_head(out, "DELETE", &session.id);
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }

    /// Accepts the reply to the last request. Returns false if it is not the expected one.
    pub fn accept(&mut self, reply: ReplyBytes<'_>) -> bool {
        let good = match self.scenario {
            Scenario::Unchanged => self.parse_etag(reply).is_some(),
            _ => (200..300).contains(&reply.status) && self.parse(reply.body).is_some(),
        };
        self.step += 1;
        let full = self.scenario == Scenario::Write && self.step > SESSION_WRITES;
        if !good || full {
            self.restart();
        }
        good
    }

    /// Makes the next request a create, after an error.
    pub fn restart(&mut self) {
        self.session = None;
        self.step = 0;
    }

    fn parse(&mut self, body: &[u8]) -> Option<()> {
        match (self.action(), &mut self.session) {
            (Action::Create, _) if self.scenario == Scenario::Create => {}
            (Action::Create, _) | (_, None) => {
                let [id, token] = ["id", "sequence_token"].map(|name| member(body, name));
                self.session = Some(Session {
                    id: id?.to_owned(),
                    token: token?.to_owned(),
                });
            }
            // The poll of a flow must find what the other device has just written.
            (Action::Poll, Some(session)) if self.scenario == Scenario::Flow => {
                return (member(body, "sequence_token")? == session.token).then_some(());
            }
            (Action::Poll, Some(_)) => {}
            (Action::Write, Some(session)) => {
                session.token.clear();
                session.token.push_str(member(body, "sequence_token")?);
            }
            (Action::Delete, Some(_)) => self.session = None,
        }
        Some(())
    }

    fn etag_request(&self, payload: &str) -> Vec<u8> {
        let (etag, caller) = (Dialect::Etag, Caller::default());
        match &self.session {
            Some(session) => etag.poll(&caller, &etag.path(&session.id), &session.token),
            None => etag.create(&caller, payload),
        }
    }

    /// Accepts a 201, and then 304 only.
    fn parse_etag(&mut self, reply: ReplyBytes<'_>) -> Option<()> {
        if self.session.is_some() {
            return (reply.status == 304).then_some(());
        }
        let created = Dialect::Etag.created(&reply.into())?;
        let (_, id) = created.path.rsplit_once('/')?;
        self.session = Some(Session {
            id: id.to_owned(),
            token: created.token,
        });
        Some(())
    }

    fn action(&self) -> Action {
        match self.scenario {
            Scenario::Create => Action::Create,
            Scenario::Delete if self.step.is_multiple_of(2) => Action::Create,
            Scenario::Delete => Action::Delete,
            Scenario::Poll | Scenario::Unchanged => Action::Poll,
            Scenario::Write => Action::Write,
            Scenario::Flow => match self.step % FLOW_REQUESTS {
                0 => Action::Create,
                step if step == FLOW_REQUESTS - 1 => Action::Delete,
                step if step % 2 == 0 => Action::Write,
                _ => Action::Poll,
            },
        }
    }
}

/// Writes the request line and the headers that both SDKs send, so that there is something to
/// parse.
fn write_head(out: &mut Vec<u8>, method: &str, id: &str) {
    let slash = if id.is_empty() { "" } else { "/" };
    for part in [method, " ", PATH, slash, id, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(
        b"host: rendezvous.example.org\r\nuser-agent: bench/1\r\naccept: */*\r\n",
    );
}

fn write_body(out: &mut Vec<u8>, parts: &[&str]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The value of a string member without escapes. The search begins at the end: the payload is
/// first.
fn member<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    let found = text
        .rmatch_indices(name)
        .find(|(at, _)| text[..*at].ends_with('"') && text[at + name.len()..].starts_with("\":\""));
    let value = &text[found?.0 + name.len() + 3..];
    Some(&value[..value.find('"')?])
}
