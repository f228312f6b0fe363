//! The section `auth`: one token verifier, or an entry `[[auth.homeserver]]` for each homeserver.

use crate::config::ConfigProblem;
use crate::config::de::Scalar;
use crate::config::homeserver::{
    HomeserverConfig, HomeserverKeys, Mode, RawHomeserver, validate_hosts,
};
use crate::config::homeserver_list::entries;
use crate::config::verifier::{RawIntrospection, RawVerifier};
use crate::config::web_url::WebUrl;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The section as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAuth {
    homeserver_url: Option<Scalar<WebUrl>>,
    ca_file: Option<Scalar<PathBuf>>,
    introspection: RawIntrospection,
    #[serde(deserialize_with = "entries", skip_serializing_if = "Vec::is_empty")]
    homeserver: Vec<RawHomeserver>,
}

impl RawAuth {
    /// Returns at least one homeserver: the one of the keys in this section, or those of the
    /// entries.
    ///
    /// `mode` is the top-level key and applies to every entry without its own. `public_base_url` is
    /// `http.public_base_url`.
    pub(super) fn validate(
        &self,
        mode: Mode,
        public_base_url: Option<&WebUrl>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Vec<HomeserverConfig> {
        if self.homeserver.is_empty() {
            let only = HomeserverKeys {
                mode,
                mode_key: "mode".to_owned(),
                hosts: &[],
                public_base_url,
                verifier: self.verifier(),
            };
            return vec![only.validate(problems)];
        }
        let base_url_key = public_base_url.map(|_| "http.public_base_url".to_owned());
        let verifier_key = self.verifier().first_set_key();
        for key in [verifier_key, base_url_key].into_iter().flatten() {
            let reason = "is set beside [[auth.homeserver]]; set it in the entries";
            problems.push(ConfigProblem::new(key, reason));
        }
        validate_hosts(&self.homeserver, problems);
        let entries = self.homeserver.iter().enumerate();
        entries
            .map(|(number, entry)| {
                let key_prefix = format!("auth.homeserver.{number}");
                entry.keys(mode, &key_prefix).validate(problems)
            })
            .collect()
    }

    /// The token verifier in this section itself.
    fn verifier(&self) -> RawVerifier<'_> {
        RawVerifier {
            key_prefix: "auth",
            homeserver_url: self.homeserver_url.as_ref().map(|Scalar(url)| url),
            ca_file: self.ca_file.as_ref().map(|Scalar(path)| path.as_path()),
            introspection: &self.introspection,
        }
    }
}
