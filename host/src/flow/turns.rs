//! Turns at what is work: few at the same time, and few that wait for theirs, so that one client's crowd is neither
//! everybody's wait nor memory without end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refused;
use super::limits::later;
use crate::protocol::identifier::ClientId;

/// How much is done at the same time.
const AT_ONCE: usize = 2;
/// How many wait or work, of one client and of all. At some 100 ms each, the last of them waits for three seconds.
const OF_CLIENT: usize = 16;
const OF_ALL: usize = 64;
/// When to come again, for whom there is no room.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// See the module.
pub struct Turns {
    places: Arc<Semaphore>,
    inside: Mutex<HashMap<ClientId, usize>>,
}

/// Somebody who waits, until it is dropped.
pub(super) struct Ticket {
    turns: Arc<Turns>,
    client: ClientId,
}

/// Somebody whose turn it is. It goes along with the work: whoever asked may hang up, and the work goes on.
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _ticket: Ticket,
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), inside: Mutex::default() }
    }
}

impl Turns {
    /// Lets one more of this client wait.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn queue(self: &Arc<Self>, client: &ClientId) -> Result<Ticket, Refused> {
        let mut inside = self.inside();
        if inside.values().sum::<usize>() >= OF_ALL {
            return Err(Refused::Busy);
        }
        let own = inside.entry(client.clone()).or_default();
        if *own >= OF_CLIENT {
            return Err(later("this client sends too many user codes at the same time", SOON));
        }
        *own += 1;
        Ok(Ticket { turns: Arc::clone(self), client: client.clone() })
    }

    /// How many wait or work.
    #[cfg(test)]
    pub(super) fn crowd(&self) -> usize {
        self.inside().values().sum()
    }

    fn inside(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits for the turn.
    pub(super) async fn wait(self) -> Result<Turn, Refused> {
        let place = Arc::clone(&self.turns.places).acquire_owned().await.map_err(|error| Refused::Internal(error.to_string()))?;
        Ok(Turn { _place: place, _ticket: self })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inside = self.turns.inside();
        let Some(own) = inside.get_mut(&self.client) else { return };
        *own -= 1;
        if *own == 0 {
            inside.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(turns: &Arc<Turns>, client: &str) -> Vec<Ticket> {
        std::iter::from_fn(|| turns.queue(&client.into()).ok()).take(OF_ALL + 1).collect()
    }

    #[tokio::test]
    async fn one_client_has_its_share_of_the_room_and_all_together_have_an_end() {
        let turns = Arc::new(Turns::default());
        let crowd = fill(&turns, "a");
        assert_eq!(crowd.len(), OF_CLIENT);
        assert!(matches!(turns.queue(&"a".into()), Err(Refused::Later { after: 2, .. })));
        let others: Vec<_> = ["b", "c", "d", "e"].into_iter().flat_map(|client| fill(&turns, client)).collect();
        assert_eq!(others.len(), OF_ALL - OF_CLIENT);
        assert!(matches!(turns.queue(&"f".into()), Err(Refused::Busy)));
        drop(crowd);
        assert!(turns.queue(&"f".into()).is_ok());
        drop(others);
        assert!(turns.inside().is_empty(), "a client that is gone is remembered");
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_work_its_place_and_the_queue_at_once() {
        let turns = Arc::new(Turns::default());
        let mut working = Vec::new();
        for _ in 0..AT_ONCE {
            working.push(turns.queue(&"a".into()).unwrap().wait().await.unwrap());
        }
        let waits = turns.queue(&"a".into()).unwrap().wait();
        assert_eq!(turns.inside()[&"a".into()], AT_ONCE + 1);
        drop(waits);
        assert_eq!(turns.inside()[&"a".into()], AT_ONCE);
        drop(working.pop());
        turns.queue(&"a".into()).unwrap().wait().await.unwrap();
    }
}
