//! Checks that the clients count what they lose. If they did not, every scenario would pass,
//! whatever was lost.

use crate::device::{CountingDevice, Creation, Shared};
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::dialect::Dialect;
use testkit::process::free_address;
use testkit::sign_in::Messenger;

/// Loses a request in each possible way, in both dialects, and checks that each is counted.
pub async fn check_that_losses_count(address: SocketAddr) -> Result<(), String> {
    let server = Arc::new(Shared::new(address, false));
    let no_server = Arc::new(Shared::new(free_address(), false));
    for dialect in [Dialect::Json, Dialect::Etag] {
        let mut device = CountingDevice::new(&server, dialect);
        let Ok(Creation::Session(session)) = device.create("first").await else {
            return Err(format!("{dialect:?}: no session"));
        };
        device.write(&session.path, "second").await?;

        let lost = || server.counters.lost.get() + no_server.counters.lost.get();
        let check = |case: &str, before: u64, is_error: bool| {
            if is_error && lost() == before + 1 {
                return Ok(());
            }
            Err(format!("{dialect:?}: not counted as lost: {case}"))
        };
        // Another device's conflict: a write over a token that the session no longer has.
        device.set_known(&session.token);
        let before = lost();
        let result = device.write(&session.path, "third").await;
        check("a conflict", before, result.is_err())?;
        // A session that does not exist.
        let before = lost();
        let path = dialect.path("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let result = device.poll(&path).await;
        check("a session that does not exist", before, result.is_err())?;
        // A creation that is rejected although none is expected to be.
        let before = lost();
        let result = device.create(&"m".repeat(5000)).await;
        check("a rejected creation", before, result.is_err())?;
        let before = lost();
        let result = CountingDevice::new(&no_server, dialect).poll(&path).await;
        check("no connection", before, result.is_err())?;
    }
    Ok(())
}
