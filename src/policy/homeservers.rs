//! The homeservers that this service works for, selected by a request's `Host`.

use crate::config::Mode;
use crate::config::homeserver::HomeserverConfig;
use crate::policy::auth::{Authenticator, TokenVerifier};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;

/// One homeserver and the rules for its clients.
#[derive(Debug)]
pub struct Homeserver {
    /// The first of its configured hosts. Empty if it is the only homeserver.
    pub name: String,
    /// Whether MSC4388 is served, and which clients may create sessions.
    pub mode: Mode,
    /// Checks access tokens. `None` if no token verifier is configured.
    pub auth: Option<Authenticator>,
}

/// The URL at which the clients of each homeserver reach this server, by the name of the homeserver. A
/// homeserver without a configured URL has no entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseUrls(HashMap<String, String>);

impl BaseUrls {
    /// Reads the URLs from the configuration.
    #[must_use]
    pub fn new(homeservers: &[HomeserverConfig]) -> Self {
        let mut urls = Self::default();
        for homeserver in homeservers {
            urls.set(homeserver.name(), homeserver.public_base_url.clone());
        }
        urls
    }

    /// Returns the URL for the clients of a homeserver, without a trailing slash. `name` is as in
    /// [`Homeserver`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Replaces the URL of a homeserver.
    pub fn set(&mut self, name: &str, url: Option<String>) {
        match url {
            Some(url) => drop(self.0.insert(name.to_owned(), url)),
            None => drop(self.0.remove(name)),
        }
    }
}

/// What is known about a token verifier.
#[derive(Debug)]
pub struct VerifierState {
    /// Whether no token is checked, since the verifier did not answer.
    pub is_circuit_open: bool,
    /// Why the last check or probe failed, if it did.
    pub last_failure: Option<Arc<String>>,
}

/// All configured homeservers.
#[derive(Debug)]
pub enum Homeservers {
    /// One homeserver, for every `Host`.
    Only(Box<Homeserver>),
    /// Homeservers by each of their hosts, in lower case and without a port.
    ByHost(HashMap<String, Arc<Homeserver>>),
}

impl Homeservers {
    /// Returns the homeserver for a request, or `None` if its host is unknown. `host` returns the
    /// request's host, in lower case and without a port; it is called only if there are several
    /// homeservers.
    pub fn find(&self, host: impl FnOnce() -> Option<String>) -> Option<&Homeserver> {
        match self {
            Self::Only(homeserver) => Some(homeserver),
            Self::ByHost(by_host) => by_host.get(&host()?).map(Arc::as_ref),
        }
    }

    /// Replaces the credentials and the trusted certificate authorities of a homeserver's token
    /// verifier. `name` is the first of the homeserver's hosts, and empty if it is the only one.
    ///
    /// Returns `false`, and changes nothing, if that homeserver is not running with a verifier of
    /// the same URL: such a change needs a restart.
    pub fn set_verifier(&self, name: &str, verifier: TokenVerifier) -> bool {
        let running = self.named(name);
        let auth = running.and_then(|homeserver| homeserver.auth.as_ref());
        auth.is_some_and(|auth| auth.set_verifier(verifier))
    }

    /// Whether a homeserver runs in this process. `name` is as in [`Homeservers::set_verifier`].
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// The homeserver whose first host is `name`, or the only one if that is empty.
    fn named(&self, name: &str) -> Option<&Homeserver> {
        let homeserver = match self {
            Self::Only(homeserver) => name.is_empty().then_some(homeserver.as_ref()),
            Self::ByHost(by_host) => by_host.get(name).map(Arc::as_ref),
        };
        homeserver.filter(|homeserver| homeserver.name == name)
    }

    /// Sends one probe to each token verifier, and logs the result. A failure does not stop the
    /// server: the verifier may come up later.
    pub async fn probe_verifiers(&self) {
        join_all(self.verifiers().map(|(_, auth)| auth.probe())).await;
    }

    /// Sends the probes of every token verifier's circuit breaker. Ends only if there is no token
    /// verifier.
    pub async fn run_breaker_probes(&self) {
        join_all(self.verifiers().map(|(_, auth)| auth.run_breaker_probes())).await;
    }

    /// The name of each homeserver with a token verifier, and the state of the verifier.
    pub fn verifier_states(&self) -> impl Iterator<Item = (&str, VerifierState)> {
        self.verifiers().map(|(name, auth)| {
            let state = VerifierState {
                is_circuit_open: auth.is_circuit_open(),
                last_failure: auth.last_failure(),
            };
            (name, state)
        })
    }

    /// The token verifiers of all served homeservers, once each, whatever number of hosts a
    /// homeserver has.
    fn verifiers(&self) -> impl Iterator<Item = (&str, &Authenticator)> {
        let homeservers: Vec<&Homeserver> = match self {
            Self::Only(homeserver) => vec![homeserver],
            Self::ByHost(by_host) => by_host
                .iter()
                .filter(|(host, homeserver)| **host == homeserver.name)
                .map(|(_, homeserver)| homeserver.as_ref())
                .collect(),
        };
        let served = homeservers
            .into_iter()
            .filter(|homeserver| homeserver.mode != Mode::Off);
        served.filter_map(|homeserver| Some((homeserver.name.as_str(), homeserver.auth.as_ref()?)))
    }
}
