//! How clients find the homeserver, and whether it offers QR sign-in.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs, warn};
use crate::doctor::check_context::{CheckContext, SERVICE_ITSELF};
use crate::doctor::checks::cors::check_origin;
use crate::doctor::diagnosis::{describe, unexpected, unreachable};
use crate::doctor::exchange::{ProbeError, ProbeRequest, ProbeResponse};
use crate::doctor::target::{TargetKind, join, parse_base_url};
use crate::json;
use hyper::StatusCode;
use url::Url;

/// The feature flag of the ETag dialect in `/versions`.
const MSC4108_FEATURE: &str = "org.matrix.msc4108";

/// Looks up the base URL of a server name (client-server API, "Well-known URI").
pub(super) async fn well_known(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "clients find the homeserver by this file";
    let (file, fallback) = match &context.target.kind {
        TargetKind::BaseUrl(_) => {
            let reason = "a base URL was given; give the server name to check its .well-known";
            return Err(Problem::Skip(reason.to_owned()));
        }
        TargetKind::Configuration => {
            let reason = "no SERVER was given, and the configuration has no http.public_base_url";
            return Err(Problem::Skip(reason.to_owned()));
        }
        TargetKind::ServerName {
            well_known,
            fallback,
        } => (well_known.clone(), fallback.clone()),
    };
    let response = context.client.get_following(&file).await;
    let response = response.map_err(|error| unreachable(&error, WHY))?;
    if response.status == StatusCode::NOT_FOUND {
        context.base = Some(fallback.clone());
        return Err(warn(
            format!("GET {file}: {}", describe(&response)),
            format!("clients take {fallback} for the homeserver, or ask the user for it"),
            "publish the file, unless clients shall use the server name itself",
        ));
    }
    if response.status != StatusCode::OK {
        return Err(unexpected(&format!("GET {file}"), &response, "200", WHY));
    }
    let base = parse_well_known(&file, &response)?;
    let seen = format!("{file} names {base}");
    context.well_known = Some(response);
    context.base = Some(base);
    Ok(seen)
}

fn parse_well_known(file: &Url, response: &ProbeResponse) -> Result<Url, Problem> {
    const WHY: &str = "clients cannot find the homeserver";
    let Ok(value) = json::parse_value(&response.body) else {
        let expected = "JSON with m.homeserver.base_url";
        return Err(unexpected(&format!("GET {file}"), response, expected, WHY));
    };
    let base = value["m.homeserver"]["base_url"].as_str();
    let Some(base) = base else {
        return Err(fail(
            format!("GET {file}: the JSON has no m.homeserver.base_url"),
            WHY,
            "add {\"m.homeserver\": {\"base_url\": \"https://matrix.example.org\"}}",
        ));
    };
    let url = parse_base_url(base).filter(|url| url.scheme() == "https");
    url.ok_or_else(|| {
        fail(
            format!("GET {file}: base_url is \"{base}\", which is no https URL of a server"),
            WHY,
            "set it to the homeserver's URL, such as https://matrix.example.org",
        )
    })
}

/// Checks that a web client may read the `.well-known` file.
pub(super) fn well_known_cors(context: &CheckContext) -> CheckOutcome {
    let Some(response) = &context.well_known else {
        return Err(needs(CheckId::WellKnown));
    };
    check_origin(response).map_err(|found| {
        fail(
            format!("GET {}: {found}", response.url),
            "web clients cannot read the file, and apps can: QR sign-in works with apps only",
            "send Access-Control-Allow-Origin: * with this file, exactly once",
        )
    })?;
    Ok("one Access-Control-Allow-Origin".to_owned())
}

/// Checks that the homeserver offers the ETag dialect to clients.
pub(super) async fn versions(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "no released client offers QR sign-in without this response";
    let url = join(&context.base()?, "/_matrix/client/versions");
    let request = format!("GET {url}");
    let response = context.client.get_following(&url).await;
    let response = response.map_err(|error| unreachable(&error, WHY))?;
    if context.is_service_itself(&response) {
        return Err(Problem::Skip(SERVICE_ITSELF.to_owned()));
    }
    let Some(value) = versions_of(&response) else {
        return Err(no_homeserver(context, &url, &response, WHY).await);
    };
    match &value["unstable_features"][MSC4108_FEATURE] {
        serde_json::Value::Bool(true) => Ok(format!("{MSC4108_FEATURE} is true")),
        found => Err(fail(
            format!("{request}: unstable_features has {MSC4108_FEATURE} = {found}; expected true"),
            WHY,
            "Synapse: set experimental_features.msc4108_enabled: true, with \
             matrix_authentication_service.enabled: true",
        )),
    }
}

/// Returns the JSON of a response to `/versions`, if it is that of a homeserver.
fn versions_of(response: &ProbeResponse) -> Option<serde_json::Value> {
    let value = json::parse_value(&response.body).ok();
    value.filter(|value| response.status == StatusCode::OK && value.is_object())
}

/// Returns the failure of a base URL at which another server than a homeserver answers. Tries each address
/// of the host: a homeserver at another one is the nearer cause.
async fn no_homeserver(
    context: &mut CheckContext,
    url: &Url,
    response: &ProbeResponse,
    why: &str,
) -> Problem {
    let request = format!("GET {url}");
    let expected = "200 with JSON of a homeserver";
    let mut problem = unexpected(&request, response, expected, why);
    let is_elsewhere = [StatusCode::OK, StatusCode::NOT_FOUND].contains(&response.status);
    let Problem::Fail(finding) = &mut problem else {
        return problem;
    };
    if !is_elsewhere {
        return problem;
    }
    finding.action = match (&context.well_known, &context.target.kind) {
        (Some(file), _) => format!(
            "either set base_url in {} to the homeserver's URL, or let the proxy of this host forward \
             /_matrix to the homeserver. Run the doctor with the homeserver's URL: if that passes, base_url \
             is wrong",
            file.url
        ),
        (None, TargetKind::ServerName { well_known, .. }) => format!(
            "publish {well_known} with the homeserver's URL, or let the proxy of this host forward \
             /_matrix to the homeserver"
        ),
        _ => "give the homeserver's base URL as SERVER, or let the proxy of this host forward /_matrix to \
              the homeserver"
            .to_owned(),
    };
    let addresses = context.client.addresses_of(url).await.unwrap_or_default();
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for address in addresses {
        let other = context
            .client
            .send_to(ProbeRequest::get(url), Some(address));
        match other.await {
            Ok(other) if versions_of(&other).is_some() => right.push(address.to_string()),
            Err(ProbeError::Connect(error)) if error.is_unroutable() => {}
            _ => wrong.push(address.to_string()),
        }
    }
    if !right.is_empty() && !wrong.is_empty() {
        finding.what = format!(
            "{}; a homeserver answers at {}, and none at {}",
            finding.what,
            right.join(", "),
            wrong.join(", ")
        );
        finding.action = format!(
            "correct or remove the DNS records (A, AAAA) with {}, or let the homeserver's proxy listen there",
            wrong.join(", ")
        );
    }
    problem
}
