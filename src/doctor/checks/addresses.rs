//! The addresses of the server: a client may use any of them.

use crate::doctor::check::{CheckOutcome, Problem, fail, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::connect_error::ProbeConnectError;
use crate::doctor::diagnosis::{describe, unreachable};
use crate::doctor::exchange::{ProbeError, ProbeRequest};
use crate::doctor::target::join;
use crate::http::route::MSC4108_PREFIX;
use crate::net::proxy_detector::is_private;
use std::net::SocketAddr;
use url::{Host, Url};

const WHY: &str = "clients that use this address wait, or find no server: often those with IPv6";

/// Sends a request to each address of the server, over IPv4 and IPv6. Also reports the addresses of
/// other hosts that accepted no connection while another address of the same host did.
pub(super) async fn addresses(context: &mut CheckContext) -> CheckOutcome {
    const FIX: &str = "let the proxy listen on this address, or remove it from DNS";
    let base = context.base()?;
    let prefix = context
        .etag_session
        .as_ref()
        .map(|session| session.prefix.clone());
    let url = prefix.unwrap_or_else(|| join(&base, MSC4108_PREFIX));
    if let Some(listener) = context.client.connector().listener_for(&url) {
        return Err(Problem::Skip(format!(
            "--via {} connects to one listener only",
            listener.via
        )));
    }
    let addresses = context.client.addresses_of(&url).await;
    let addresses = addresses.map_err(|error| unreachable(&error, WHY))?;
    let (mut unroutable, mut others, mut unreachable_at) = (0, Vec::new(), Vec::new());
    for address in &addresses {
        match context
            .client
            .send_to(ProbeRequest::get(&url), Some(*address))
            .await
        {
            Ok(response) if response.is_ours => context.is_served = true,
            Ok(response) => others.push(format!("GET {url} at {address}: {}", describe(&response))),
            Err(ProbeError::Connect(error)) if error.is_unroutable() => unroutable += 1,
            Err(error) => unreachable_at.push(format!("GET {url} at {address}: {error}")),
        }
    }
    if let Some(found) = others.first().filter(|_| context.is_served) {
        return Err(fail(
            format!("{found}; other addresses reach matrix-rendezvous"),
            WHY,
            "let the DNS records (A and AAAA) name the same server",
        ));
    }
    if let Some(found) = unreachable_at.first() {
        return Err(warn(found, WHY, FIX));
    }
    let replicas: Vec<_> = context.replicas.iter().filter_map(Url::host_str).collect();
    let mut refused = context.client.connector().refused().iter();
    let is_of_clients =
        |error: &&ProbeConnectError| !error.is_unroutable() && !replicas.contains(&error.host());
    if let Some(refused) = refused.find(is_of_clients) {
        let what = format!("{refused}; another address of the host accepts connections");
        return Err(warn(what, WHY, FIX));
    }
    let is_looked_up = is_name(&url) && !context.client.connector().is_overridden(&url);
    if let Some(private) = private(&addresses).filter(|_| is_looked_up) {
        return Err(warn(
            format!(
                "{} is {private} here, which is a private address",
                url.authority()
            ),
            "clients on the internet cannot use it; what they see may differ from this report",
            "run the doctor from a network where the name has its public address",
        ));
    }
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let seen = format!("{} of {}", texts.join(", "), url.authority());
    Ok(match unroutable {
        0 => seen,
        _ => format!("{seen}; this machine cannot reach {unroutable} of them (no IPv6?)"),
    })
}

/// Whether the host of a URL is looked up in DNS.
fn is_name(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if name != "localhost")
}

/// Returns the first address if none is public.
fn private(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let are_private = addresses.iter().all(|address| is_private(address.ip()));
    addresses.first().copied().filter(|_| are_private)
}

#[cfg(test)]
mod tests {
    use super::{is_name, private};
    use url::Url;

    #[test]
    fn name_with_private_addresses_alone_is_recognised() {
        let addresses = |texts: &[&str]| {
            let texts = texts.iter();
            let parse = |text: &&str| text.parse().expect("an address");
            texts.map(parse).collect::<Vec<_>>()
        };
        let inside = addresses(&["10.0.0.7:443", "[fd00::7]:443"]);
        assert_eq!(private(&inside), Some(inside[0]));
        assert_eq!(
            private(&addresses(&["10.0.0.7:443", "192.0.2.7:443"])),
            None
        );
        assert_eq!(private(&[]), None);
        for (url, expected) in [
            ("https://matrix.example.org", true),
            ("http://localhost:8080", false),
            ("http://127.0.0.1", false),
            ("http://[::1]", false),
        ] {
            assert_eq!(is_name(&Url::parse(url).expect("a URL")), expected, "{url}");
        }
    }
}
