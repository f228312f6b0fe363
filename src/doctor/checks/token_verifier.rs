//! The homeserver or OAuth 2.0 server that checks access tokens, with the requests of a worker.

use crate::config::secret::Secret;
use crate::doctor::check::{CheckOutcome, Problem, fail};
use crate::doctor::check_context::CheckContext;
use crate::doctor::json_request::MADE_UP_TOKEN;
use crate::policy::auth::{TokenVerdict, TokenVerifier};

const WHY: &str = "in mode authenticated no user can create a session";

/// Checks that each verifier rejects a token that no user has, and accepts the one of `--token-file`.
pub(super) async fn token_verifier(context: &CheckContext) -> CheckOutcome {
    let deployment = context.deployment()?;
    if deployment.verifiers.is_empty() {
        let reason = "no homeserver has a token verifier";
        return Err(Problem::Skip(reason.to_owned()));
    }
    // A token is that of a user of one homeserver: no other one may see it.
    let token = match deployment.verifiers.as_slice() {
        [_] => context.token.as_ref(),
        _ => None,
    };
    for (homeserver, verifier) in &deployment.verifiers {
        check(context, homeserver, verifier, token).await?;
    }
    Ok(match token {
        Some(_) => "a made-up token is rejected, and that of --token-file accepted".to_owned(),
        None => "a made-up token is rejected (--token-file tries a real one)".to_owned(),
    })
}

async fn check(
    context: &CheckContext,
    homeserver: &str,
    verifier: &TokenVerifier,
    token: Option<&Secret>,
) -> Result<(), Problem> {
    let clock = context.client.clock();
    let key = match homeserver {
        "" => "auth".to_owned(),
        name => format!("auth.homeserver of {name}"),
    };
    let unclear = |text: String| {
        let action = format!("check the URL, the credentials and ca_file of {key}");
        fail(text, WHY, action)
    };
    match verifier
        .examine(MADE_UP_TOKEN, clock)
        .await
        .map_err(unclear)?
    {
        TokenVerdict::Rejected => {}
        TokenVerdict::Accepted | TokenVerdict::Forbidden => {
            return Err(fail(
                format!("{} accepts a made-up token", verifier.url()),
                "any client can create sessions in the name of a user",
                format!("check the URL of {key}: it is not that of a homeserver"),
            ));
        }
    }
    let Some(token) = token else {
        return Ok(());
    };
    match verifier
        .examine(token.expose(), clock)
        .await
        .map_err(unclear)?
    {
        TokenVerdict::Accepted => Ok(()),
        verdict @ (TokenVerdict::Rejected | TokenVerdict::Forbidden) => Err(fail(
            format!("{} {verdict} the token of --token-file", verifier.url()),
            WHY,
            format!(
                "give the token of a user of this homeserver, not of a guest, or check the URL of {key}"
            ),
        )),
    }
}
