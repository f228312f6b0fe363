//! The context of the checks of one report: the client, the target, and the results of earlier checks.

use crate::config::secret::Secret;
use crate::doctor::check::{CheckId, Problem, needs};
use crate::doctor::client::ProbeClient;
use crate::doctor::deployment::Deployment;
use crate::doctor::diagnosis::{cached, unreachable};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use crate::doctor::kept_connection::KeptConnection;
use crate::doctor::replica_version::ReplicaVersion;
use crate::doctor::target::{DoctorTarget, TargetKind};
use hyper::Method;
use hyper::header::{ETAG, HeaderName, IF_MATCH};
use std::sync::Arc;
use std::time::SystemTime;
use url::Url;

/// Bytes that make a message long enough for a proxy to compress it: many leave short responses alone.
const FILLER: usize = 2000;

/// What the checks of one report share.
pub(super) struct CheckContext {
    pub(super) client: ProbeClient,
    pub(super) target: DoctorTarget,
    /// The deployment that the configuration describes, if one was given.
    pub(super) deployment: Option<Arc<Deployment>>,
    /// The admin URLs of the replicas.
    pub(super) replicas: Vec<Url>,
    /// The access token of a user.
    pub(super) token: Option<Secret>,
    /// Whether checks that take a minute are made.
    pub(super) is_long: bool,
    /// A connection that is idle while others poll.
    pub(super) idle_connection: Option<KeptConnection>,
    /// Whether no session may be created.
    pub(super) read_only: bool,
    /// The homeserver's base URL, once it is known.
    pub(super) base: Option<Url>,
    /// The response with the `.well-known` file.
    pub(super) well_known: Option<ProbeResponse>,
    /// The metadata of the authorization server.
    pub(super) authorization: Option<AuthorizationServer>,
    /// Where the homeserver delegates creations to, if it does.
    pub(super) delegated_to: Option<Url>,
    /// The session of the ETag dialect that `create` opened.
    pub(super) etag_session: Option<EtagSession>,
    /// The version of each replica that is ready.
    pub(super) replica_versions: Vec<ReplicaVersion>,
    /// The session of the JSON dialect that `authorization` created.
    pub(super) json_session: Option<JsonSession>,
    /// The responses of the ETag dialect, each with the request in words.
    pub(super) samples: Vec<(String, ProbeResponse)>,
    /// Whether a response repeated the probe: matrix-rendezvous serves this homeserver.
    pub(super) is_served: bool,
}

/// Why a check of the homeserver is skipped if the target is matrix-rendezvous itself.
pub(super) const SERVICE_ITSELF: &str = "this is matrix-rendezvous itself: give the server name, without --via, to check the homeserver";

/// The members of `auth_metadata` that the checks need (RFC 8414).
pub(super) struct AuthorizationServer {
    pub(super) issuer: Option<Url>,
    pub(super) device_endpoint: Option<Url>,
}

/// A session of the ETag dialect.
#[derive(Clone)]
pub(super) struct EtagSession {
    /// The URL below which the session was created, after a redirect.
    pub(super) prefix: Url,
    /// The URL of the session.
    pub(super) url: Url,
    /// The current entity tag, as it was received.
    pub(super) etag: String,
    /// The entity tag before the last write.
    pub(super) previous_etag: Option<String>,
    /// The current payload.
    pub(super) payload: String,
    /// The response to the creation, and when it arrived by this machine's clock.
    pub(super) created: ProbeResponse,
    pub(super) created_at: SystemTime,
    pub(super) is_deleted: bool,
}

/// A session of the JSON dialect.
pub(super) struct JsonSession {
    pub(super) url: Url,
    /// The current sequence token.
    pub(super) token: String,
    /// The current payload.
    pub(super) payload: String,
}

impl CheckContext {
    pub(super) fn new(client: ProbeClient, target: DoctorTarget) -> Self {
        let base = match &target.kind {
            TargetKind::BaseUrl(url) => Some(url.clone()),
            TargetKind::ServerName { .. } | TargetKind::Configuration => None,
        };
        Self {
            client,
            target,
            deployment: None,
            replicas: Vec::new(),
            token: None,
            is_long: false,
            idle_connection: None,
            read_only: false,
            base,
            well_known: None,
            authorization: None,
            delegated_to: None,
            etag_session: None,
            replica_versions: Vec::new(),
            json_session: None,
            samples: Vec::new(),
            is_served: false,
        }
    }

    /// The deployment, seen from inside.
    ///
    /// # Errors
    /// [`Problem::Skip`] if no configuration was given.
    pub(super) fn deployment(&self) -> Result<&Deployment, Problem> {
        self.deployment.as_deref().ok_or_else(|| {
            let reason = "no configuration was given (--config FILE, or RENDEZVOUS_ variables)";
            Problem::Skip(reason.to_owned())
        })
    }

    /// The base URL.
    ///
    /// # Errors
    /// [`Problem::Skip`] if no check found it.
    pub(super) fn base(&self) -> Result<Url, Problem> {
        self.base.clone().ok_or_else(|| needs(CheckId::WellKnown))
    }

    /// Whether the target is matrix-rendezvous itself, by the host to which a homeserver delegates:
    /// then this response is not that of a homeserver, and need not be.
    pub(super) fn is_service_itself(&self, response: &ProbeResponse) -> bool {
        response.is_ours && matches!(self.target.kind, TargetKind::BaseUrl(_))
    }

    /// The session of the ETag dialect.
    ///
    /// # Errors
    /// [`Problem::Skip`] if none was created, or if it was deleted.
    pub(super) fn etag_session(&self) -> Result<EtagSession, Problem> {
        let open = self
            .etag_session
            .as_ref()
            .filter(|session| !session.is_deleted);
        open.cloned().ok_or_else(|| needs(CheckId::Create))
    }

    /// Sends a request of the ETag dialect and keeps the response for the check of CORS. `why` is
    /// what it means for a sign-in if there is no response.
    ///
    /// # Errors
    /// [`Problem::Fail`] if there is no response.
    pub(super) async fn call(
        &mut self,
        call: ProbeRequest,
        why: &str,
    ) -> Result<ProbeResponse, Problem> {
        let name = call.method.to_string();
        let result = self.client.send(call).await;
        let response = result.map_err(|error| unreachable(&error, why))?;
        self.is_served |= response.is_ours;
        if response.is_cached {
            return Err(cached(&response));
        }
        self.samples.push((name, response.clone()));
        Ok(response)
    }

    /// Writes `payload` over what `etag` names.
    ///
    /// # Errors
    /// As [`CheckContext::call`].
    pub(super) async fn put(
        &mut self,
        url: &Url,
        etag: &str,
        payload: &str,
        why: &str,
    ) -> Result<ProbeResponse, Problem> {
        let call = ProbeRequest::new(Method::PUT, url).header(IF_MATCH, etag);
        self.call(call.text(payload), why).await
    }

    /// Records that a write was accepted.
    pub(super) fn record_write(&mut self, payload: String, response: &ProbeResponse) {
        if let Some(session) = &mut self.etag_session {
            let etag = single_header(response, &ETAG).unwrap_or_default();
            session.previous_etag = Some(std::mem::replace(&mut session.etag, etag));
            session.payload = payload;
        }
    }
}

/// The payload of message `number`: text, so that a proxy may compress it.
pub(super) fn message(number: u32) -> String {
    let line = format!("matrix-rendezvous doctor, message {number}. ");
    line.repeat(FILLER / line.len() + 1)
}

/// Returns the value of a header field that the response has exactly once.
pub(super) fn single_header(response: &ProbeResponse, name: &HeaderName) -> Option<String> {
    let mut values = response.headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.to_owned())
}
