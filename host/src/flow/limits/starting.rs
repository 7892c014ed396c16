//! Requests that were let through and are not stored yet: whoever comes at the same time does not see them in the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::protocol::identifier::{ClientId, UserId};

/// In the order in which they came, for each person.
#[derive(Default)]
pub(super) struct Starting(Mutex<Persons>);

#[derive(Default)]
struct Persons {
    last: u64,
    of: HashMap<UserId, Vec<(u64, ClientId)>>,
}

/// One of them, until it is dropped.
pub(in crate::flow) struct Started<'a> {
    starting: &'a Starting,
    user: UserId,
    number: u64,
}

impl Starting {
    pub(super) fn begin(&self, client: &ClientId, user: &UserId) -> Started<'_> {
        let mut persons = self.lock();
        persons.last += 1;
        let number = persons.last;
        persons.of.entry(user.clone()).or_default().push((number, client.clone()));
        Started { starting: self, user: user.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, Persons> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Started<'_> {
    /// The clients of those that came before it. Each counts those only: else two would refuse each other.
    pub(super) fn ahead(&self) -> Vec<ClientId> {
        let persons = self.starting.lock();
        let all = persons.of.get(&self.user).into_iter().flatten();
        all.take_while(|(number, _)| *number != self.number).map(|(_, client)| client.clone()).collect()
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let mut persons = self.starting.lock();
        let Some(all) = persons.of.get_mut(&self.user) else { return };
        all.retain(|(number, _)| *number != self.number);
        if all.is_empty() {
            persons.of.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_at_the_same_time_counts_those_ahead_until_they_are_stored() {
        let starting = Starting::default();
        let [first, second, _other] =
            [("a", "alice"), ("b", "alice"), ("a", "bob")].map(|(client, user)| starting.begin(&client.into(), &user.into()));
        assert_eq!((first.ahead(), second.ahead()), (vec![], vec!["a".into()]));
        drop(first);
        assert_eq!(second.ahead(), []);
        drop(second);
        assert_eq!(starting.lock().of.len(), 1, "who is stored is remembered");
    }
}
