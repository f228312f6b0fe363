//! Passwords that sentinels require of their clients, and their rotation.

use super::Sentinels;
use crate::redis::Reply;
use crate::redis::acl_rule::documented_sentinel_rule;
use crate::redis::resp::Connection;

impl Sentinels {
    /// Makes each sentinel require this password of its clients. The sentinels do not have it
    /// themselves.
    pub fn require(&self, password: &str) {
        let only = format!(">{password}");
        self.set_user("default", &["resetpass", &only]);
    }

    /// Makes each sentinel require this user and password of its clients, and allows the user what the
    /// documentation says.
    pub fn require_user(&self, user: &str, password: &str) {
        let password = format!(">{password}");
        let rule = documented_sentinel_rule();
        let rule = rule.iter().map(String::as_str);
        let rule: Vec<_> = ["on", &password, "resetchannels"]
            .into_iter()
            .chain(rule)
            .collect();
        self.set_user(user, &rule);
        self.set_user("default", &["resetpass"]);
    }

    pub(super) fn set_user(&self, user: &str, rule: &[&str]) {
        let command = [&["ACL", "SETUSER", user], rule].concat();
        for sentinel in &self.processes {
            assert_eq!(sentinel.command(&command).text(), "OK");
        }
    }

    /// Replaces the password of [`require`](Self::require), and closes the connections of clients that
    /// follow the sentinels' events.
    #[track_caller]
    pub fn rotate_password(&self, old: &str, new: &str) {
        let only = format!(">{new}");
        for mut sentinel in self.authenticated(old) {
            let command = ["ACL", "SETUSER", "default", "resetpass", &only];
            assert_eq!(sentinel.command(&command).text(), "OK");
            let killed = sentinel.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            assert!(matches!(killed, Reply::Integer(1..)), "{killed:?}");
        }
    }

    /// Whether each sentinel has a client that follows its events.
    #[track_caller]
    pub fn are_followed(&self, password: &str) -> bool {
        self.authenticated(password).all(|mut sentinel| {
            let clients = sentinel.command(&["CLIENT", "LIST", "TYPE", "pubsub"]);
            !clients.text().trim().is_empty()
        })
    }

    fn authenticated(&self, password: &str) -> impl Iterator<Item = Connection> {
        self.processes.iter().map(move |sentinel| {
            let mut connection = Connection::open(([127, 0, 0, 1], sentinel.port).into());
            assert_eq!(connection.command(&["AUTH", password]).text(), "OK");
            connection
        })
    }
}
