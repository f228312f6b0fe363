//! The APIs that the server offers, by the names that metrics, logs and traces share.

use crate::model::label::label;

label! {
    /// The API that a path belongs to.
    Api {
        /// MSC4388 under its unstable prefix.
        Msc4388 = "msc4388",
        /// MSC4388 under the stable prefix.
        V1 = "v1",
        /// MSC4108 of 2024.
        Msc4108 = "msc4108",
        /// No API of ours.
        None = "none",
    }
}

impl Api {
    /// Those that have sessions: the first of `ALL`.
    pub const WITH_SESSIONS: &'static [Self] = &[Self::Msc4388, Self::V1, Self::Msc4108];
}
