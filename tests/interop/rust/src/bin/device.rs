//! One device of a sign-in by QR code (MSC4108 of 2024), with the released matrix-sdk.
//!
//! `device shows|scans HOMESERVER [USER DEVICE TOKEN]`: with the session of an existing device, or as a new device.
//! The standard streams carry what a person carries between the devices, one JSON object per line:
//! `{"code": base64}` and `{"check": digits}` are input or output; `{"agree": URL}` is output, the address at which
//! the person approves the new device. The last line of output is `{"master_key": base64}`, the public half of the
//! user's master key, once the device holds all private cross-signing keys.

use std::{env, pin::pin};

use anyhow::{Context, Result, bail};
use futures_util::{Stream, StreamExt};
use matrix_sdk::{
    Client, SessionMeta, SessionTokens,
    authentication::{
        matrix::MatrixSession,
        oauth::{
            qrcode::{
                CheckCodeSender, GeneratedQrProgress, GrantLoginProgress, LoginProgress,
                QrCodeData, QrProgress,
            },
            registration::{ApplicationType, ClientMetadata, Localized, OAuthGrantType},
        },
    },
    reqwest::Url,
    ruma::serde::Raw,
    store::RoomLoadSettings,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut person = Person(BufReader::new(stdin()).lines());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [side @ ("shows" | "scans"), homeserver, ref session @ ..] = arguments[..] else {
        bail!("usage: device shows|scans HOMESERVER [USER DEVICE TOKEN]");
    };
    let client = Client::builder().homeserver_url(homeserver).build().await?;
    let oauth = client.oauth();
    if let &[user, device, token] = session {
        sign_in(&client, user, device, token).await?;
        let grant = oauth.grant_login_with_qr_code();
        if side == "shows" {
            let grant = grant.generate();
            let seen = grant.subscribe_to_progress().map(Seen::from);
            tokio::try_join!(async { Ok(grant.await?) }, person.attends(seen))?;
        } else {
            let code = person.scans().await?;
            let grant = grant.scan(&code);
            let seen = grant.subscribe_to_progress().map(Seen::from);
            tokio::try_join!(async { Ok(grant.await?) }, person.attends(seen))?;
        }
    } else {
        let registration = registration()?.into();
        let login = oauth.login_with_qr_code(Some(&registration));
        if side == "shows" {
            let login = login.generate();
            let seen = login.subscribe_to_progress().map(Seen::from);
            tokio::try_join!(async { Ok(login.await?) }, person.attends(seen))?;
        } else {
            let code = person.scans().await?;
            let login = login.scan(&code);
            let seen = login.subscribe_to_progress().map(Seen::from);
            tokio::try_join!(async { Ok(login.await?) }, person.attends(seen))?;
        }
    }
    tell(&json!({ "master_key": master_key(&client).await? }));
    Ok(())
}

/// The existing device: its session, and the cross-signing keys that it shares.
async fn sign_in(client: &Client, user: &str, device: &str, token: &str) -> Result<()> {
    let session = MatrixSession {
        meta: SessionMeta {
            user_id: user.try_into()?,
            device_id: device.into(),
        },
        tokens: SessionTokens {
            access_token: token.into(),
            refresh_token: None,
        },
    };
    let auth = client.matrix_auth();
    auth.restore_session(session, RoomLoadSettings::default())
        .await?;
    client.encryption().bootstrap_cross_signing(None).await?;
    Ok(())
}

/// The client metadata with which the new device registers.
fn registration() -> Result<Raw<ClientMetadata>> {
    let uri = Localized::new(Url::parse("https://client.example/")?, []);
    let grants = vec![OAuthGrantType::DeviceCode];
    Ok(Raw::new(&ClientMetadata::new(
        ApplicationType::Native,
        grants,
        uri,
    ))?)
}

/// Returns the public half of the master key, if the device holds all private cross-signing keys.
async fn master_key(client: &Client) -> Result<String> {
    let encryption = client.encryption();
    let held = encryption.cross_signing_status().await;
    let held = held.context("no crypto")?;
    if !held.is_complete() {
        bail!("keys are missing: {held:?}");
    }
    let user = client.user_id().context("not signed in")?;
    let identity = encryption.get_user_identity(user).await?;
    let identity = identity.context("no identity")?;
    let key = identity.master_key().get_first_key();
    Ok(key.context("no master key")?.to_base64())
}

/// What a device shows to the person.
enum Seen {
    Code(QrCodeData),
    CheckCodeWanted(CheckCodeSender),
    CheckCode(u8),
    NewDeviceAt(Url),
    Else,
}

impl From<GeneratedQrProgress> for Seen {
    fn from(progress: GeneratedQrProgress) -> Self {
        match progress {
            GeneratedQrProgress::QrReady(code) => Self::Code(code),
            GeneratedQrProgress::QrScanned(sender) => Self::CheckCodeWanted(sender),
        }
    }
}
impl From<QrProgress> for Seen {
    fn from(QrProgress { check_code }: QrProgress) -> Self {
        Self::CheckCode(check_code.to_digit())
    }
}
impl<Q: Into<Self>> From<LoginProgress<Q>> for Seen {
    fn from(progress: LoginProgress<Q>) -> Self {
        match progress {
            LoginProgress::EstablishingSecureChannel(progress) => progress.into(),
            _ => Self::Else,
        }
    }
}
impl<Q: Into<Self>> From<GrantLoginProgress<Q>> for Seen {
    fn from(progress: GrantLoginProgress<Q>) -> Self {
        match progress {
            GrantLoginProgress::EstablishingSecureChannel(progress) => progress.into(),
            GrantLoginProgress::WaitingForAuth { verification_uri } => {
                Self::NewDeviceAt(verification_uri)
            }
            _ => Self::Else,
        }
    }
}

/// The person with both devices, who carries codes between them.
struct Person(Lines<BufReader<Stdin>>);

impl Person {
    async fn brings(&mut self, what: &str) -> Result<String> {
        let line = self.0.next_line().await?;
        let line = line.context("standard input ended")?;
        let brought: Value = serde_json::from_str(&line)?;
        let brought = brought[what].as_str();
        Ok(brought
            .with_context(|| format!("not a {what}: {line}"))?
            .to_owned())
    }

    async fn scans(&mut self) -> Result<QrCodeData> {
        Ok(QrCodeData::from_base64(&self.brings("code").await?)?)
    }

    /// Carries what the device shows, until it shows nothing more.
    async fn attends(&mut self, seen: impl Stream<Item = Seen>) -> Result<()> {
        let mut seen = pin!(seen);
        while let Some(seen) = seen.next().await {
            match seen {
                Seen::Code(code) => tell(&json!({ "code": code.to_base64() })),
                Seen::CheckCodeWanted(sender) => {
                    sender.send(self.brings("check").await?.parse()?).await?;
                }
                Seen::CheckCode(check) => tell(&json!({ "check": format!("{check:02}") })),
                Seen::NewDeviceAt(url) => tell(&json!({ "agree": url })),
                Seen::Else => {}
            }
        }
        Ok(())
    }
}

fn tell(line: &Value) {
    println!("{line}");
}
