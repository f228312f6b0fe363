//! The section `limits.live`: upper bounds of live sessions.

use crate::config::ConfigProblem;
use crate::config::de::scalar;
use serde::{Deserialize, Serialize};

/// Upper bound of each number in `limits.live`: the same as that of `session.max_live`.
const MAX_LIVE_LIMIT: u64 = 100_000_000;

/// Upper bounds of live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveConfig {
    /// Per client.
    pub client: u64,
    /// Per IPv6 /48.
    pub network: u64,
    /// Per user.
    pub user: u64,
    /// Per IPv4 /24.
    pub ipv4_24: Fraction,
    /// Per IPv4 /16.
    pub ipv4_16: Fraction,
    /// Per IPv6 /40.
    pub ipv6_40: Fraction,
    /// Per IPv6 /32.
    pub ipv6_32: Fraction,
}

/// A fraction of `session.max_live`, in millionths.
///
/// A wide network has a fraction and not a number. With a number, an operator who raises
/// `session.max_live` would reject the customers of a large provider while most of it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(u32);

impl Fraction {
    const ONE: u32 = 1_000_000;

    /// Returns the fraction, or `None` unless it is above 0 and at most 1, rounded to millionths.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and the range is checked"
        )]
        let millionths = (value * f64::from(Self::ONE)).round() as u32;
        Self::from_millionths(millionths)
    }

    /// Returns the fraction, or `None` unless it is above 0 and at most 1.
    #[must_use]
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        match millionths {
            1..=Self::ONE => Some(Self(millionths)),
            _ => None,
        }
    }

    /// Returns this fraction of a number, rounded down, and at least 1.
    #[must_use]
    pub fn of(self, number: u64) -> u64 {
        let part = u128::from(number) * u128::from(self.0) / u128::from(Self::ONE);
        u64::try_from(part).unwrap_or(number).max(1)
    }
}

/// The section as it is written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLive {
    #[serde(deserialize_with = "scalar")]
    pub(super) client: u64,
    #[serde(deserialize_with = "scalar")]
    network: u64,
    #[serde(deserialize_with = "scalar")]
    user: u64,
    #[serde(deserialize_with = "scalar")]
    ipv4_24: f64,
    #[serde(deserialize_with = "scalar")]
    ipv4_16: f64,
    #[serde(deserialize_with = "scalar")]
    ipv6_40: f64,
    #[serde(deserialize_with = "scalar")]
    ipv6_32: f64,
}

impl RawLive {
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<LiveConfig> {
        for (key, limit) in [
            ("limits.live.client", self.client),
            ("limits.live.network", self.network),
            ("limits.live.user", self.user),
        ] {
            if !(1..=MAX_LIVE_LIMIT).contains(&limit) {
                problems.push(ConfigProblem::new(key, "must be between 1 and 100000000"));
            }
        }
        let mut fraction = |key: &str, value: f64| {
            let fraction = Fraction::new(value);
            if fraction.is_none() {
                let reason = "must be a fraction of session.max_live, above 0 and at most 1";
                problems.push(ConfigProblem::new(format!("limits.live.{key}"), reason));
            }
            fraction
        };
        let ipv4 = [
            fraction("ipv4_24", self.ipv4_24),
            fraction("ipv4_16", self.ipv4_16),
        ];
        let ipv6 = [
            fraction("ipv6_40", self.ipv6_40),
            fraction("ipv6_32", self.ipv6_32),
        ];
        Some(LiveConfig {
            client: self.client,
            network: self.network,
            user: self.user,
            ipv4_24: ipv4[0]?,
            ipv4_16: ipv4[1]?,
            ipv6_40: ipv6[0]?,
            ipv6_32: ipv6[1]?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Fraction;

    #[test]
    fn fraction_is_above_0_and_at_most_1() {
        for bad in [0.0, -0.5, 1e-7, 1.1, 500.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Fraction::new(bad), None, "{bad}");
        }
        for (value, expected) in [(1.0, 10_000), (0.25, 2_500), (0.1, 1_000), (1e-6, 1)] {
            let fraction = Fraction::new(value).expect("a fraction");
            assert_eq!(fraction.of(10_000), expected, "{value}");
        }
        assert_eq!(
            Fraction::new(0.5).expect("a fraction").of(u64::MAX),
            u64::MAX / 2
        );
    }
}
