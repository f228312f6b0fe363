//! That the clients count what they lose; where they did not, all else here would pass whatever was lost.

use crate::device::{Created, Device, Shared};
use crate::dialect::Dialect;
use crate::process::free_address;
use std::net::SocketAddr;
use std::sync::Arc;

/// Loses a request in each way that there is, in both dialects, and looks whether each was counted.
pub async fn counts_losses(address: SocketAddr) -> Result<(), String> {
    let here = Arc::new(Shared::new(address, false));
    let nowhere = Arc::new(Shared::new(free_address()?, false));
    for dialect in [Dialect::Json, Dialect::Etag] {
        let mut device = Device::new(&here, dialect);
        let Ok(Created::Session(session)) = device.create("first").await else {
            return Err(format!("{dialect:?}: no session"));
        };
        device.known.clone_from(&session.token);
        device.write(&session.path, "second").await?;

        let count = || here.tally.lost.get() + nowhere.tally.lost.get();
        let lost = |what: &str, before: u64, is_error: bool| {
            if is_error && count() == before + 1 {
                return Ok(());
            }
            Err(format!("{dialect:?}: not counted as lost: {what}"))
        };
        // Another's conflict: over a token that is no longer the session's.
        device.known = session.token;
        let before = count();
        let reply = device.write(&session.path, "third").await;
        lost("a conflict", before, reply.is_err())?;
        // A session that does not exist.
        let before = count();
        let path = dialect.path("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let reply = device.poll(&path).await;
        lost("a session that is gone", before, reply.is_err())?;
        // A creation that is refused where nothing should refuse it.
        let before = count();
        let reply = device.create(&"m".repeat(5000)).await;
        lost("a refused creation", before, reply.is_err())?;
        let before = count();
        let reply = Device::new(&nowhere, dialect).poll(&path).await;
        lost("no connection", before, reply.is_err())?;
    }
    Ok(())
}
