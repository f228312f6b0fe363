//! Requests and replies as values. The client one level up sends and receives them.

use std::fmt::Write as _;

use serde_json::Value;

/// A request. `Host` is added on the wire, and `Content-Length` if there is a body. All other
/// headers are the test's.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: String,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request of this method for this target.
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self {
            method,
            target,
            host: "rendezvous.test".to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A GET request.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A HEAD request.
    pub fn head(target: &str) -> Self {
        Self::new("HEAD", target)
    }

    /// An OPTIONS request.
    pub fn options(target: &str) -> Self {
        Self::new("OPTIONS", target)
    }

    /// A POST request with an empty body.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target).body("")
    }

    /// A PUT request with an empty body.
    pub fn put(target: &str) -> Self {
        Self::new("PUT", target).body("")
    }

    /// A DELETE request.
    pub fn delete(target: &str) -> Self {
        Self::new("DELETE", target)
    }

    /// Sets `Host`, with the port.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// The method, the target, the headers without `Host` and `Content-Length`, and the body, for a client
    /// that speaks HTTP/2.
    pub fn parts(&self) -> (&str, &str, &[(String, String)], &[u8]) {
        let body = self.body.as_deref().unwrap_or_default();
        (&self.method, &self.target, &self.headers, body)
    }

    /// The bytes of the request on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            self.method, self.target, self.host
        );
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("a String takes every write");
        }
        if let Some(body) = &self.body {
            write!(head, "Content-Length: {}\r\n", body.len()).expect("a String takes every write");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// A complete reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers in the order on the wire.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// All values of a header, in the order on the wire.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(same)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header that may appear once at most.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(
            values.len() <= 1,
            "{name} appears {} times: {self}",
            values.len()
        );
        values.first().copied()
    }

    /// Whether the reply has `Connection: close`.
    pub fn says_close(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self}"))
    }

    /// A string member of the body.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        let value = self.json()[member].clone();
        value
            .as_str()
            .unwrap_or_else(|| panic!("no string member {member:?}: {self}"))
            .to_owned()
    }

    /// An integer member of the body.
    #[track_caller]
    pub fn number(&self, member: &str) -> u64 {
        self.json()[member]
            .as_u64()
            .unwrap_or_else(|| panic!("no integer member {member:?}: {self}"))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Asserts the status and the errcode.
    #[track_caller]
    pub fn expect_error(self, status: u16, errcode: &str) -> Self {
        assert_eq!(
            (self.status, self.text("errcode").as_str()),
            (status, errcode),
            "{self}"
        );
        self
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        self.headers
            .iter()
            .try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))?;
        write!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}
