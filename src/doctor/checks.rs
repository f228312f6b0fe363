//! The checks, one file per group.

mod addresses;
mod authorization;
mod bounds;
mod certificate;
mod clock;
mod configuration;
mod cors;
mod creation;
mod discovery;
mod json_dialect;
mod patience;
mod reads;
mod redis;
mod replicas;
mod routes;
mod token_verifier;
mod writes;

use crate::doctor::check::{CheckId, CheckOutcome};
use crate::doctor::check_context::CheckContext;
use crate::http::route::{MSC4388_STABLE_PREFIX, MSC4388_UNSTABLE_PREFIX};

/// Makes one check.
pub(super) async fn run(id: CheckId, context: &mut CheckContext) -> CheckOutcome {
    match id {
        CheckId::Configuration => configuration::configuration(context),
        CheckId::RedisConnection => redis::connection(context),
        CheckId::RedisWrite => redis::write(context),
        CheckId::RedisFit => redis::fit(context),
        CheckId::RedisMemory => redis::memory(context),
        CheckId::RedisClock => redis::clock(context),
        CheckId::TokenVerifier => token_verifier::token_verifier(context).await,
        CheckId::ReplicasReady => replicas::ready(context).await,
        CheckId::ReplicasAlike => replicas::alike(context),
        CheckId::TrustedProxies => replicas::trusted_proxies(context).await,
        CheckId::WellKnown => discovery::well_known(context).await,
        CheckId::WellKnownCors => discovery::well_known_cors(context),
        CheckId::Versions => discovery::versions(context).await,
        CheckId::DeviceGrant => authorization::device_grant(context).await,
        CheckId::DeviceEndpoint => authorization::device_endpoint(context).await,
        CheckId::LinkPage => authorization::link_page(context).await,
        CheckId::Create => creation::create(context).await,
        CheckId::SessionUrl => creation::session_url(context),
        CheckId::RouteMsc4108 => routes::msc4108(context).await,
        CheckId::RouteMsc4388 => routes::msc4388(context, MSC4388_UNSTABLE_PREFIX).await,
        CheckId::RouteV1 => routes::msc4388(context, MSC4388_STABLE_PREFIX).await,
        CheckId::Read => reads::read(context).await,
        CheckId::NotModified => reads::not_modified(context).await,
        CheckId::OneStore => reads::one_store(context).await,
        CheckId::Write => writes::write(context).await,
        CheckId::ReadAfterWrite => reads::read_after_write(context).await,
        CheckId::HeldRead => reads::held_read(context).await,
        CheckId::Conflict => writes::conflict(context).await,
        CheckId::PayloadSize => bounds::payload_size(context).await,
        CheckId::PageLoad => bounds::page_load(context).await,
        CheckId::Preflight => cors::preflight(context).await,
        CheckId::SteadyPolls => patience::steady_polls(context).await,
        CheckId::KeptConnection => patience::kept_connection(context).await,
        CheckId::Delete => writes::delete(context).await,
        CheckId::Cors => cors::responses(context),
        CheckId::Clock => clock::clock(context),
        CheckId::Addresses => addresses::addresses(context).await,
        CheckId::Certificate => certificate::certificate(context),
        CheckId::Authorization => json_dialect::authorization(context).await,
        CheckId::JsonExchange => json_dialect::exchange(context).await,
    }
}
