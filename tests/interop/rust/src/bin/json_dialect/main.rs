//! A rendezvous in the JSON dialect (MSC4388), by ruma's released types over HTTP and vodozemac's HPKE.
//!
//! `json_dialect SHOWING_SERVER SCANNING_SERVER`: the two devices establish the secure channel, compare the check
//! code and exchange messages. Then follow a conflict, the retry of a lost response, a write with a transaction id,
//! and the deletion.

mod device;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use device::{Device, errcode, status};
use http::StatusCode;
use ruma_client_api::rendezvous::{create_rendezvous_session, discover_rendezvous};
use vodozemac::hpke::{
    BidirectionalCreationResult, CheckCode, DigitMode, EstablishedHpkeChannel,
    HpkeRecipientChannel, HpkeSenderChannel, InitialMessage, InitialResponse, Message,
    RecipientCreationResult, SenderCreationResult,
};

/// The homeserver's base URL in the code, equal on both devices whatever worker they use.
const BASE_URL: &str = "https://homeserver.example/";
const INITIATE: &str = "MATRIX_QR_CODE_LOGIN_INITIATE";
const OK: &str = "MATRIX_QR_CODE_LOGIN_OK";

#[tokio::main]
async fn main() -> Result<()> {
    // Responses are quick; a missing one must not block.
    tokio::time::timeout(Duration::from_secs(60), rendezvous()).await?
}

async fn rendezvous() -> Result<()> {
    let mut servers = std::env::args().skip(1);
    let mut server = || {
        servers
            .next()
            .context("usage: json_dialect SHOWING_SERVER SCANNING_SERVER")
    };
    let (mut shows, mut scans) = (Device::at(server()?), Device::at(server()?));

    open_session(&mut shows, &mut scans).await?;
    let (mut shown, mut scanned) = secure_channel(&mut shows, &mut scans).await?;
    let code = |channel: &EstablishedHpkeChannel| {
        CheckCode::to_digit(channel.check_code(), DigitMode::NoLeadingZero)
    };
    ensure!(code(&shown) == code(&scanned), "the check codes differ");
    println!("the channel is secure, both show {}", code(&shown));

    for round in 0..5 {
        let (question, answer) = (format!("question {round}"), format!("answer {round}"));
        send(&mut shows, &mut shown, &question).await?;
        ensure!(receive(&mut scans, &mut scanned).await? == question);
        send(&mut scans, &mut scanned, &answer).await?;
        ensure!(receive(&mut shows, &mut shown).await? == answer);
    }
    println!("ten messages arrived, each bound to its token");

    a_conflict(&mut shows, &mut scans).await?;
    a_lost_reply(&mut shows, &mut scans).await?;
    transactions(&mut shows, &mut scans).await?;

    scans.delete().await?;
    for device in [&mut shows, &mut scans] {
        let gone = device
            .read()
            .await
            .err()
            .context("read after it was deleted")?;
        ensure!(status(&gone)? == StatusCode::NOT_FOUND && errcode(&gone)? == "M_NOT_FOUND");
    }
    println!("deleted");
    Ok(())
}

async fn open_session(shows: &mut Device, scans: &mut Device) -> Result<()> {
    let discovered = shows
        .call(discover_rendezvous::unstable::Request::new())
        .await?;
    ensure!(discovered.create_available);
    let opened = shows
        .call(create_rendezvous_session::unstable_msc4388::Request::new(
            String::new(),
        ))
        .await?;
    ensure!(opened.expires_in.as_secs() > 100 && opened.expires_in.as_secs() <= 300);
    (shows.id, shows.token) = (opened.id.clone(), opened.sequence_token);
    scans.id = opened.id;
    Ok(())
}

/// MSC4388, "Secure channel". Each message is sealed with the token of the sender's last read as additional data. The
/// other device opens it with the token of its own last write.
async fn secure_channel(
    shows: &mut Device,
    scans: &mut Device,
) -> Result<(EstablishedHpkeChannel, EstablishedHpkeChannel)> {
    let (recipient, sender) = (HpkeRecipientChannel::new(), HpkeSenderChannel::new());

    ensure!(scans.read().await?.is_empty());
    let SenderCreationResult {
        channel: sender,
        message,
    } = sender.establish_channel(recipient.public_key(), INITIATE.as_bytes(), &bound(scans))?;
    scans.write(&message.encode()).await?;

    let before = bound(shows);
    let initiate = InitialMessage::decode(&shows.read().await?)?;
    let RecipientCreationResult {
        channel: recipient,
        message,
    } = recipient.establish_channel(&initiate, &before)?;
    ensure!(message == INITIATE.as_bytes());
    let BidirectionalCreationResult {
        channel: shown,
        message,
    } = recipient.establish_bidirectional_channel(OK.as_bytes(), &bound(shows));
    shows.write(&message.encode()).await?;

    let before = bound(scans);
    let ok = InitialResponse::decode(&scans.read().await?)?;
    let BidirectionalCreationResult {
        channel: scanned,
        message,
    } = sender.establish_bidirectional_channel(&ok, &before)?;
    ensure!(message == OK.as_bytes());
    Ok((shown, scanned))
}

/// The additional data: base URL, session id and token, each prefixed with its length, as in the QR code.
fn bound(device: &Device) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [BASE_URL, &device.id, &device.token] {
        bytes.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

async fn send(
    device: &mut Device,
    channel: &mut EstablishedHpkeChannel,
    message: &str,
) -> Result<()> {
    // A device reads before it writes, so its token is current.
    device.read().await?;
    let sealed = channel.seal(message.as_bytes(), &bound(device));
    device.write(&sealed.encode()).await
}

async fn receive(device: &mut Device, channel: &mut EstablishedHpkeChannel) -> Result<String> {
    let before = bound(device);
    let sealed = Message::decode(&device.read().await?)?;
    Ok(String::from_utf8(channel.open(&sealed, &before)?)?)
}

async fn a_conflict(shows: &mut Device, scans: &mut Device) -> Result<()> {
    shows.read().await?;
    scans.read().await?;
    shows.write("first").await?;
    let refused = scans
        .write("second")
        .await
        .err()
        .context("a write over a stale token")?;
    ensure!(status(&refused)? == StatusCode::CONFLICT);
    ensure!(errcode(&refused)? == "IO_ELEMENT_MSC4388_CONCURRENT_WRITE");
    ensure!(
        scans.read().await? == "first" && scans.token == shows.token,
        "nothing was lost"
    );
    println!("a conflict is reported, and changes nothing");
    Ok(())
}

async fn a_lost_reply(shows: &mut Device, scans: &mut Device) -> Result<()> {
    shows.read().await?;
    let over = shows.token.clone();
    shows.write("sent twice").await?;
    let produced = std::mem::replace(&mut shows.token, over.clone());
    shows.write("sent twice").await?;
    ensure!(
        shows.token == produced,
        "the retry has the token of the write"
    );
    scans.read().await?;
    scans.write("an answer").await?;
    shows.token = over;
    shows.write("sent twice").await?;
    ensure!(
        shows.token == produced,
        "the retry is known after the answer too"
    );
    ensure!(
        shows.read().await? == "an answer",
        "and does not overwrite it"
    );
    println!("a retry has the token of the write that it repeats");
    Ok(())
}

/// The form of MSC4388's newest text, which ruma's types do not have yet.
async fn transactions(shows: &mut Device, scans: &mut Device) -> Result<()> {
    shows.read().await?;
    let over = shows.token.clone();
    let (written, first) = shows.write_in("txn.1", &over, "with a transaction").await?;
    ensure!(written == StatusCode::OK);
    scans.read().await?;
    scans.write("meanwhile").await?;
    ensure!(
        scans.write_in("txn.1", "any", "other").await? == (written, first),
        "a transaction is replayed"
    );
    let (conflict, body) = scans.write_in("txn.2", &over, "too late").await?;
    ensure!(
        conflict == StatusCode::CONFLICT
            && body["errcode"] == "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"
    );
    ensure!(
        shows.write_in("txn.2", "any", "other").await? == (conflict, body),
        "a conflict is replayed too"
    );
    ensure!(shows.read().await? == "meanwhile");
    println!("transactions are replayed, a conflict too");
    Ok(())
}
