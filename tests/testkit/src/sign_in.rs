//! The messages of one sign-in, which two devices write and read in turn.

use std::future::Future;
use std::time::Duration;

use tokio::time::sleep;

use crate::device::Device;
use crate::dialect::Update;

/// Messages of a sign-in after the first, which the creation carries.
pub const WRITES: u32 = 8;

/// Characters of filling in a message. The SDKs send a few hundred characters.
const LENGTH: usize = 600;

/// Pauses of a device.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before each poll. Both SDKs wait a second after each reply to a poll.
    pub poll: Duration,
    /// Between the receipt of a message and the write of the next.
    pub think: Duration,
}

/// A device that can read and write the messages of a sign-in.
pub trait Messenger {
    /// Polls the session once. Returns `None` if nothing is new.
    fn poll(&mut self, path: &str) -> impl Future<Output = Result<Option<Update>, String>> + Send;

    /// Writes a message.
    fn write(&mut self, path: &str, data: &str) -> impl Future<Output = Result<(), String>> + Send;
}

impl Messenger for Device {
    async fn poll(&mut self, path: &str) -> Result<Option<Update>, String> {
        Ok(Device::poll(self, path).await?)
    }

    async fn write(&mut self, path: &str, data: &str) -> Result<(), String> {
        Ok(Device::write(self, path, data).await?)
    }
}

/// Message `number` of a sign-in. It names both, so that an old message, or one of another sign-in,
/// is noticed.
pub fn message(sign_in: &str, number: u32) -> String {
    format!("{sign_in}/{number}/{}", "m".repeat(LENGTH))
}

/// Polls until message `next` is there, writes the one after it, and continues to the last.
///
/// The device that creates the session begins with 1, the other with 0.
///
/// # Errors
/// Describes the first poll or write that fails, or a message that is not the expected one.
pub async fn exchange_messages(
    device: &mut impl Messenger,
    sign_in: &str,
    path: &str,
    mut next: u32,
    pace: Pace,
) -> Result<(), String> {
    while next <= WRITES {
        sleep(pace.poll).await;
        let Some(update) = device.poll(path).await? else {
            continue;
        };
        if update.data != message(sign_in, next) {
            return Err(format!("message {next} is {}", update.data));
        }
        next += 1;
        if next <= WRITES {
            if !pace.think.is_zero() {
                sleep(pace.think).await;
            }
            device.write(path, &message(sign_in, next)).await?;
            next += 1;
        }
    }
    Ok(())
}
