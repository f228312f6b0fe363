//! How many questions are under way: in all, and for one client.

use crate::model::ClientIp;
use crate::policy::auth::AuthError;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Questions under way in all. A homeserver's worker answers a few hundred a second, so this many are half a
/// second of its work.
const IN_ALL: usize = 64;

/// Questions under way or waiting for one client. A household behind one address signs in one device at a time.
const PER_CLIENT: u32 = 8;

/// The longest wait for a place. It is part of the time that a question has, and must leave most of that for the
/// answer; a homeserver that is well has answered all that were before us by then.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Flights {
    places: Semaphore,
    /// Clients with at least one question, waiting ones too: not more than there are connections.
    clients: Mutex<HashMap<ClientIp, u32>>,
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            places: Semaphore::new(IN_ALL),
            clients: Mutex::default(),
        }
    }
}

/// A question under way; dropped, its place is free again.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    _place: SemaphorePermit<'a>,
    _client: OfClient<'a>,
}

impl Flights {
    /// Waits for a place.
    ///
    /// # Errors
    /// [`AuthError::Busy`]: the client has its share under way already, or there was no place in time.
    pub(super) async fn start(&self, client: ClientIp) -> Result<Flight<'_>, AuthError> {
        let client = OfClient::new(self, client)?;
        let place = tokio::time::timeout(LONGEST_WAIT, self.places.acquire()).await;
        // It is closed by nobody.
        let place = place
            .map_err(|_| AuthError::Busy)?
            .map_err(|_| AuthError::Busy)?;
        Ok(Flight {
            _place: place,
            _client: client,
        })
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ClientIp, u32>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of a client's share.
#[derive(Debug)]
struct OfClient<'a> {
    flights: &'a Flights,
    client: ClientIp,
}

impl<'a> OfClient<'a> {
    fn new(flights: &'a Flights, client: ClientIp) -> Result<Self, AuthError> {
        let mut clients = flights.clients();
        let count = clients.entry(client).or_default();
        if *count >= PER_CLIENT {
            return Err(AuthError::Busy);
        }
        *count += 1;
        Ok(Self { flights, client })
    }
}

impl Drop for OfClient<'_> {
    fn drop(&mut self) {
        let mut clients = self.flights.clients();
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flights, IN_ALL, PER_CLIENT};
    use crate::model::ClientIp;
    use crate::policy::auth::AuthError;
    use std::net::{IpAddr, Ipv4Addr};

    fn client(number: u32) -> ClientIp {
        ClientIp::from(IpAddr::from(Ipv4Addr::from(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_has_its_share_and_no_more() {
        let flights = Flights::default();
        let mut under_way = Vec::new();
        for _ in 0..PER_CLIENT {
            under_way.push(flights.start(client(1)).await.expect("a place"));
        }
        assert_eq!(flights.start(client(1)).await.err(), Some(AuthError::Busy));
        drop(flights.start(client(2)).await.expect("another's share"));
        under_way.pop();
        under_way.push(flights.start(client(1)).await.expect("free again"));
        drop(under_way);
        assert!(flights.clients().is_empty(), "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_and_not_for_ever() {
        let flights = Flights::default();
        let mut under_way = Vec::new();
        for number in 0..u32::try_from(IN_ALL).expect("few") {
            under_way.push(flights.start(client(number)).await.expect("a place"));
        }
        assert_eq!(
            flights.start(client(1000)).await.err(),
            Some(AuthError::Busy)
        );
        let (waited, ()) =
            tokio::join!(flights.start(client(1000)), async { drop(under_way.pop()) });
        assert!(waited.is_ok());
        drop(waited);
        drop(under_way);
        assert!(
            flights.clients().is_empty(),
            "who gave up is not remembered"
        );
    }
}
