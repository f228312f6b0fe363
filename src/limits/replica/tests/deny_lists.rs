//! Deny lists, and limits in shadow mode.

use super::{config, exceeded, ipv4, limits, rates};
use crate::config::limits::DenyListConfig;
use crate::limits::replica::LimitRejection;
use crate::model::{DenyList, Limit, LimitSet};
use std::net::IpAddr;

pub(super) fn deny(networks: &[&str]) -> DenyListConfig {
    let parse = |text: &&str| match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().expect("a network"),
    };
    DenyListConfig {
        networks: networks.iter().map(parse).collect(),
        is_shadow: false,
    }
}

#[test]
fn each_deny_list_applies_to_its_own_requests() {
    // Deny lists apply if limits are disabled too.
    for rates in [None, Some(rates([1000; 6], 1000))] {
        let mut config = config(rates);
        config.deny.create = deny(&["203.0.113.1"]);
        config.deny.requests = deny(&["203.0.113.2"]);
        let (limits, _, metrics) = limits(config);
        let [create, requests] =
            [DenyList::Create, DenyList::Requests].map(|list| Err(LimitRejection::Denied(list)));
        assert_eq!(limits.check_create(ipv4(1)), create);
        assert_eq!(limits.check_discover(ipv4(1)), create);
        assert_eq!(limits.check_request(ipv4(1), None), Ok(()));
        assert_eq!(limits.check_create(ipv4(2)), Ok(()));
        assert_eq!(limits.check_discover(ipv4(2)), Ok(()));
        assert_eq!(limits.check_request(ipv4(2), None), requests);
        assert_eq!(metrics.shadowed.value(DenyList::Create.into()), 0);
    }
}

#[test]
fn deny_list_matches_an_ipv4_address_in_each_form() {
    let forms = ["192.0.2.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1"];
    let forms = forms.map(|text| text.parse::<IpAddr>().expect("an address"));
    for (list, denied) in [
        ("192.0.2.1", [true, true, true]),
        ("192.0.2.0/24", [true, true, true]),
        // The range of a translator does not contain the IPv4 addresses that it translates.
        ("64:ff9b::/96", [false, false, true]),
        ("192.0.2.2", [false, false, false]),
    ] {
        let mut config = config(None);
        config.deny.create = deny(&["198.51.100.0/24", list]);
        let (limits, _, _) = limits(config);
        assert_eq!(
            forms.map(|form| limits.check_create(form).is_err()),
            denied,
            "{list}"
        );
    }
}

#[test]
fn shadow_mode_counts_and_passes() {
    let mut config = config(Some(rates([1; 6], 1000)));
    config.deny.requests = deny(&["203.0.113.2"]);
    config.deny.requests.is_shadow = true;
    config.shadow = LimitSet::NONE.with(Limit::CreateClient);
    let (limits, _, metrics) = limits(config);
    for _ in 0..3 {
        assert_eq!(limits.check_create(ipv4(1)), Ok(()));
    }
    assert_eq!(limits.check_request(ipv4(2), None), Ok(()));
    let shadowed = |rule| metrics.shadowed.value(rule);
    assert_eq!(shadowed(Limit::CreateClient.into()), 2);
    assert_eq!(shadowed(DenyList::Requests.into()), 1);
    // A limit that is not in shadow mode rejects.
    let rejected = limits.check_request(ipv4(2), None);
    assert_eq!(rejected, Err(exceeded(Limit::RequestsClient)));
    assert_eq!(shadowed(Limit::RequestsClient.into()), 0);
}
