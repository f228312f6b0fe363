//! The replicas, by their admin listeners: ready, alike, and with one store.

use crate::doctor::check::CheckId;
use crate::doctor::check::{CheckOutcome, Problem, fail, needs, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::diagnosis::{quote, unexpected};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use crate::doctor::replica_version::ReplicaVersion;
use crate::doctor::target::join;
use crate::net::proxy_detector::{COMPONENT, NOT_LISTED};
use hyper::StatusCode;
use url::Url;

/// The metric that is 1 if a proxy that is not trusted sends the header with clients' addresses.
const METRIC: &str = "rendezvous_proxy_untrusted ";
const UNTRUSTED: &str = "rendezvous_proxy_untrusted 1";

/// Checks that each replica is ready, and records its version.
pub(super) async fn ready(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "load balancers send this replica no request";
    let replicas = replica_urls(context)?;
    let mut degraded = Vec::new();
    for url in &replicas {
        let page = get(context, &join(url, "/readyz"), Some("verbose")).await?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let of = |mark: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
            lines.map(|line| quote(line.trim())).collect::<Vec<_>>()
        };
        let (not_ready, partly) = (of("[-]"), of("[!]"));
        if !not_ready.is_empty() {
            let what = format!("{url} is not ready: {}", not_ready.join("; "));
            let action = "fix what the text names; docs/operations.md explains each";
            return Err(fail(what, WHY, action));
        }
        if page.status != StatusCode::OK {
            let request = format!("GET {}", page.url);
            let expected = "200 from an admin listener (admin.listen)";
            return Err(unexpected(&request, &page, expected, WHY));
        }
        // `trusted-proxies` is about that component.
        let partly = partly.iter().filter(|line| !line.starts_with(COMPONENT));
        degraded.extend(partly.map(|line| format!("{url}: {line}")));
        let version = version(context, url).await?;
        context.replica_versions.push(version);
    }
    if degraded.is_empty() {
        return Ok(format!("ready: {}", replicas.len()));
    }
    Err(warn(
        degraded.join("; "),
        "a part of the service does not work on this replica",
        "fix what the text names; docs/operations.md explains each",
    ))
}

/// Checks that the replicas have one build, one configuration and one store.
pub(super) fn alike(context: &CheckContext) -> CheckOutcome {
    let [first, others @ ..] = context.replica_versions.as_slice() else {
        replica_urls(context)?;
        return Err(needs(CheckId::ReplicasReady));
    };
    if context.replica_versions.len() < context.replicas.len() {
        return Err(needs(CheckId::ReplicasReady));
    }
    let differs = |of: fn(&ReplicaVersion) -> Option<&str>| {
        let other = others.iter().find(|other| of(other) != of(first))?;
        let [one, two] = [first, other].map(|replica| {
            let value = of(replica).unwrap_or("unknown");
            format!("{} has {}", replica.url, quote(value))
        });
        Some(format!("{one}, {two}"))
    };
    let mut replicas = context.replica_versions.iter();
    if let Some(unknown) = replicas.find(|replica| replica.store.is_none()) {
        return Err(warn(
            format!("{} does not say which store it uses", unknown.url),
            "replicas without one store break sign-ins, and these cannot be compared",
            "allow INFO to the user of Redis; for a Cluster compare store.redis.url yourself",
        ));
    }
    if let Some(found) = differs(|replica| replica.store.as_deref()) {
        return Err(fail(
            format!("the stores differ: {found}"),
            "a session of one replica does not exist on the other: the sign-in fails if its devices \
             meet both",
            "set store.backend = \"redis\", and store.redis.url and store.redis.prefix, to the same \
             values on every replica",
        ));
    }
    if let Some(found) = differs(|replica| Some(&replica.configuration)) {
        return Err(warn(
            format!("the configurations differ: {found}"),
            "replicas treat the same client differently",
            "compare `config print` of both, and restart the replica with the older one",
        ));
    }
    if let Some(found) = differs(|replica| Some(&replica.build)) {
        return Err(warn(
            format!("the versions differ: {found}"),
            "this is so during an update; afterwards it is one that was not finished",
            "finish the update, or undo it",
        ));
    }
    let store = first.store.as_deref().unwrap_or("an unknown store");
    Ok(format!(
        "{}, configuration {}, {}",
        quote(&first.build),
        quote(&first.configuration),
        quote(store)
    ))
}

/// Checks that no replica meets a proxy that it does not trust.
pub(super) async fn trusted_proxies(context: &mut CheckContext) -> CheckOutcome {
    let are_ready = context.replica_versions.len() == context.replicas.len();
    for url in replica_urls(context)? {
        let page = get(context, &join(&url, "/metrics"), None).await;
        let page = page.map_err(|problem| {
            if are_ready {
                problem
            } else {
                needs(CheckId::ReplicasReady)
            }
        })?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        if !text.lines().any(|line| line.starts_with(METRIC)) {
            let request = format!("GET {}", page.url);
            let expected = "the metrics of an admin listener (admin.listen)";
            let why = "this is no replica of matrix-rendezvous";
            return Err(unexpected(&request, &page, expected, why));
        }
        if text.lines().any(|line| line == UNTRUSTED) {
            let unlisted = unlisted_proxies(context, &url).await;
            let unlisted = unlisted.map_or_else(String::new, |unlisted| format!(": {unlisted}"));
            return Err(warn(
                format!("{url}: a proxy that is not trusted sends clients' addresses{unlisted}"),
                "all clients behind it count as one, and share one client's limits: a busy hour locks \
                 everyone out",
                "if this is your proxy, set http.trusted_proxies to the value that the log of the replica names",
            ));
        }
    }
    Ok("no replica meets a proxy that it does not trust".to_owned())
}

/// The proxies that a replica does not trust, the one with the most requests first, as `/readyz?verbose` has
/// them. `None` if it names none: an older version, or one that met clients of a few private addresses.
async fn unlisted_proxies(context: &mut CheckContext, url: &Url) -> Option<String> {
    let page = get(context, &join(url, "/readyz"), Some("verbose"))
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&page.body);
    let component = format!("[!] {COMPONENT}: {NOT_LISTED}");
    let unlisted = text.lines().find_map(|line| line.strip_prefix(&component));
    unlisted.map(quote)
}

/// The admin URLs of `--replica`.
fn replica_urls(context: &CheckContext) -> Result<Vec<Url>, Problem> {
    if context.replicas.is_empty() {
        return Err(Problem::Skip("no --replica was given".to_owned()));
    }
    Ok(context.replicas.clone())
}

async fn get(
    context: &mut CheckContext,
    url: &Url,
    query: Option<&str>,
) -> Result<ProbeResponse, Problem> {
    const WHY: &str = "this replica may be down: its admin listener gave no response";
    const FIX: &str = "start this worker, or give the address of its admin listener: admin.listen, port 8081 \
                       by default, reachable from here";
    let mut url = url.clone();
    url.set_query(query);
    let response = context.client.send(ProbeRequest::get(&url)).await;
    response.map_err(|error| fail(error.to_string(), WHY, FIX))
}

async fn version(context: &mut CheckContext, url: &Url) -> Result<ReplicaVersion, Problem> {
    let page = get(context, &join(url, "/version"), None).await?;
    let version = ReplicaVersion::parse(url, &page.body);
    version.ok_or_else(|| {
        let expected = "JSON with version, revision and configuration";
        let why = "replicas of another version cannot be compared";
        unexpected(&format!("GET {}", page.url), &page, expected, why)
    })
}
