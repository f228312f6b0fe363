//! What is checked: a server name, or the base URL of a homeserver.

use url::Url;

/// What is checked.
#[derive(Debug, Clone)]
pub(super) struct DoctorTarget {
    /// The text that the user gave, or the configured URL.
    pub(super) text: String,
    pub(super) kind: TargetKind,
}

/// The ways to name a homeserver.
#[derive(Debug, Clone)]
pub(super) enum TargetKind {
    /// A server name; its `.well-known` has the base URL.
    ServerName {
        /// `https://<host>/.well-known/matrix/client`.
        well_known: Url,
        /// The base URL of a server without that file.
        fallback: Url,
    },
    /// A base URL.
    BaseUrl(Url),
    /// None: only what the configuration describes is checked, without a base URL.
    Configuration,
}

impl DoctorTarget {
    /// Parses a server name (`example.org`) or a base URL (`https://matrix.example.org`).
    ///
    /// # Errors
    /// What was expected, if the text is neither.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            // The text may have a password.
            let text = if text.contains('@') { "SERVER" } else { text };
            format!(
                "{text}: expected a server name such as example.org, or a base URL such as \
                 https://matrix.example.org"
            )
        };
        let kind = if text.contains("://") {
            TargetKind::BaseUrl(parse_base_url(text).ok_or_else(expected)?)
        } else {
            // The file is looked up at the host, whatever port the server name has
            // (client-server API, "Well-known URI").
            let fallback = parse_base_url(&format!("https://{text}")).ok_or_else(expected)?;
            if fallback.path() != "/" || text.contains('@') {
                return Err(expected());
            }
            let mut well_known = fallback.clone();
            let _known_scheme = well_known.set_port(None);
            well_known.set_path("/.well-known/matrix/client");
            TargetKind::ServerName {
                well_known,
                fallback,
            }
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// The target of a configuration without a base URL, or of the checks that concern all of its base
    /// URLs.
    pub(super) fn configuration() -> Self {
        Self {
            text: "the configuration".to_owned(),
            kind: TargetKind::Configuration,
        }
    }
}

/// Parses the base URL of a homeserver. Returns `None` if it is no `http` or `https` URL, or has a
/// user, a query or a fragment.
pub(super) fn parse_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (is_web && is_plain).then_some(url)
}

/// Whether two URLs have the same host and port.
pub(super) fn has_same_host(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Appends a path to a base URL, which may end in a slash.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let joined = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

#[cfg(test)]
mod tests {
    use super::{DoctorTarget, TargetKind, join};
    use url::Url;

    #[test]
    fn server_name_leads_to_its_well_known_file() {
        for (name, file, base) in [
            (
                "example.org",
                "https://example.org/.well-known/matrix/client",
                "https://example.org/",
            ),
            (
                "example.org:8448",
                "https://example.org/.well-known/matrix/client",
                "https://example.org:8448/",
            ),
            (
                "[2001:db8::1]",
                "https://[2001:db8::1]/.well-known/matrix/client",
                "https://[2001:db8::1]/",
            ),
        ] {
            let target = DoctorTarget::parse(name).expect(name);
            let TargetKind::ServerName {
                well_known,
                fallback,
            } = target.kind
            else {
                panic!("{name} is a server name");
            };
            assert_eq!((well_known.as_str(), fallback.as_str()), (file, base));
        }
    }

    #[test]
    fn text_that_names_no_server_is_rejected() {
        for text in [
            "",
            "example.org/path",
            "@user:example.org",
            "https://:secret@example.org",
            "https://user:secret@example.org",
            "ftp://example.org",
            "https://",
            "https://example.org/?a=b",
            "two words",
        ] {
            let error = DoctorTarget::parse(text).expect_err(text);
            assert!(error.contains("expected a server name"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn path_is_appended_with_one_slash() {
        for (base, joined) in [
            ("https://a.example", "https://a.example/x/y"),
            ("https://a.example/", "https://a.example/x/y"),
            ("https://a.example/matrix/", "https://a.example/matrix/x/y"),
        ] {
            let base = Url::parse(base).expect("a URL");
            assert_eq!(join(&base, "/x/y").as_str(), joined);
        }
    }
}
