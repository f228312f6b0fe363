//! The APIs of the server, under the names that metrics, logs and traces share.

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
        /// Not a path of this server.
        None = "none",
    }
}

impl Api {
    /// The APIs that have sessions. They are the first of `ALL`.
    pub const WITH_SESSIONS: &'static [Self] = &[Self::Msc4388, Self::V1, Self::Msc4108];
}
