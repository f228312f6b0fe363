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
use crate::doctor::examination::Examination;
use crate::http::route::{MSC4388_STABLE_PREFIX, MSC4388_UNSTABLE_PREFIX};

/// Makes one check.
pub(super) async fn run(id: CheckId, exam: &mut Examination) -> CheckOutcome {
    match id {
        CheckId::Configuration => configuration::configuration(exam),
        CheckId::RedisConnection => redis::connection(exam),
        CheckId::RedisWrite => redis::write(exam),
        CheckId::RedisFit => redis::fit(exam),
        CheckId::RedisMemory => redis::memory(exam),
        CheckId::RedisClock => redis::clock(exam),
        CheckId::TokenVerifier => token_verifier::token_verifier(exam).await,
        CheckId::ReplicasReady => replicas::ready(exam).await,
        CheckId::ReplicasAlike => replicas::alike(exam),
        CheckId::TrustedProxies => replicas::trusted_proxies(exam).await,
        CheckId::WellKnown => discovery::well_known(exam).await,
        CheckId::WellKnownCors => discovery::well_known_cors(exam),
        CheckId::Versions => discovery::versions(exam).await,
        CheckId::DeviceGrant => authorization::device_grant(exam).await,
        CheckId::DeviceEndpoint => authorization::device_endpoint(exam).await,
        CheckId::LinkPage => authorization::link_page(exam).await,
        CheckId::Create => creation::create(exam).await,
        CheckId::SessionUrl => creation::session_url(exam),
        CheckId::RouteMsc4108 => routes::msc4108(exam).await,
        CheckId::RouteMsc4388 => routes::msc4388(exam, MSC4388_UNSTABLE_PREFIX).await,
        CheckId::RouteV1 => routes::msc4388(exam, MSC4388_STABLE_PREFIX).await,
        CheckId::Read => reads::read(exam).await,
        CheckId::NotModified => reads::not_modified(exam).await,
        CheckId::OneStore => reads::one_store(exam).await,
        CheckId::Write => writes::write(exam).await,
        CheckId::ReadAfterWrite => reads::read_after_write(exam).await,
        CheckId::HeldRead => reads::held_read(exam).await,
        CheckId::Conflict => writes::conflict(exam).await,
        CheckId::PayloadSize => bounds::payload_size(exam).await,
        CheckId::PageLoad => bounds::page_load(exam).await,
        CheckId::Preflight => cors::preflight(exam).await,
        CheckId::SteadyPolls => patience::steady_polls(exam).await,
        CheckId::KeptConnection => patience::kept_connection(exam).await,
        CheckId::Delete => writes::delete(exam).await,
        CheckId::Cors => cors::responses(exam),
        CheckId::Clock => clock::clock(exam),
        CheckId::Addresses => addresses::addresses(exam).await,
        CheckId::Certificate => certificate::certificate(exam),
        CheckId::Authorization => json_dialect::authorization(exam).await,
        CheckId::JsonExchange => json_dialect::exchange(exam).await,
    }
}
