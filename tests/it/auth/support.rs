//! [`Authenticator`] without the binary around it, because a test can move its time, but not a
//! process's.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
use matrix_rendezvous::clock::Clock;
use matrix_rendezvous::config::verifier::{AuthConfig, Credentials, VerifierConfig};
use matrix_rendezvous::model::{ClientIp, User};
use matrix_rendezvous::policy::auth::{Authenticator, TokenRejection, TokenVerifier as Asked};
use matrix_rendezvous::telemetry::metrics::Metrics;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use testkit::homeserver::HomeserverStub;

/// An authenticator that uses the stand-in as a homeserver.
pub fn whoami_authenticator(verifier: &HomeserverStub, clock: Clock) -> Authenticator {
    let homeserver = verifier.url().parse().expect("a URL");
    with_verifier(VerifierConfig::Whoami { homeserver }, clock)
}

/// An authenticator that uses the stand-in for introspection.
pub fn introspection_authenticator(verifier: &HomeserverStub, clock: Clock) -> Authenticator {
    let backend = VerifierConfig::Introspection {
        endpoint: verifier.url().parse().expect("a URL"),
        credentials: Credentials::Bearer("shared".parse().expect("any text")),
    };
    with_verifier(backend, clock)
}

fn with_verifier(backend: VerifierConfig, clock: Clock) -> Authenticator {
    let settings = AuthConfig {
        verifier: backend,
        ca_file: None,
    };
    let asked = Asked::new(&settings).expect("settings that work");
    Authenticator::new(asked, "", clock, Arc::new(Metrics::new()))
}

/// Checks this token for the client with this number.
pub async fn check(auth: &Authenticator, client: u32, token: &str) -> Result<User, TokenRejection> {
    let client = ClientIp::from(IpAddr::from(Ipv4Addr::from(client)));
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    auth.authenticate(client, &headers).await
}
