//! The homeservers whose clients come here, told apart by the `Host` that a request names.

use crate::config::Mode;
use crate::policy::auth::Authenticator;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;

/// A homeserver, as the policy knows it.
#[derive(Debug)]
pub struct Homeserver {
    /// The first name of its clients' `Host`; of the only homeserver it is empty.
    pub name: String,
    /// Whether MSC4388 is served, and to whom.
    pub mode: Mode,
    /// Who says whose token an access token is, if anyone does.
    pub auth: Option<Authenticator>,
    /// Where clients reach this server, without a slash at the end.
    pub public_base_url: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub enum Homeservers {
    /// One, whatever a request names.
    Only(Box<Homeserver>),
    /// Each by its names, lower case and without port.
    ByHost(HashMap<String, Arc<Homeserver>>),
}

impl Homeservers {
    /// The one whose client a request comes from. `host` is asked for the name, lower case and without port,
    /// where it matters.
    pub fn find(&self, host: impl FnOnce() -> Option<String>) -> Option<&Homeserver> {
        match self {
            Self::Only(homeserver) => Some(homeserver),
            Self::ByHost(by_host) => by_host.get(&host()?).map(Arc::as_ref),
        }
    }

    /// Asks each once whether it knows tokens, and says in the log if not. It may come up later, and so this is
    /// no reason not to serve.
    pub async fn probe_verifiers(&self) {
        join_all(self.verifiers().map(|(_, auth)| auth.probe())).await;
    }

    /// Those who say whose a token is, and whether they are asked for the moment: not while they do not answer.
    pub fn verifier_states(&self) -> impl Iterator<Item = (&str, bool)> {
        self.verifiers()
            .map(|(name, auth)| (name, !auth.is_circuit_open()))
    }

    /// Of each homeserver that is served and has one, once, whatever it is called.
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
