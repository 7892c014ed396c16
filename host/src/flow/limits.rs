//! Who may ask how often, and who has failed too often to be listened to (PROTOCOL: a person must not be flooded, and
//! CIBA must not be a way round the lockout).
//!
//! All of it is in memory: losing it, on a restart, means leniency and nothing worse, and a database that had to be asked
//! first would be what a flood brings down. Each map holds at most [`ENTRIES`], which take about 4 MiB; what was longest
//! not asked for goes first.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{Flow, Refused};
use crate::config::LimitsConfig;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::{ClientId, UserId};
use crate::protocol::rate::{Failures, Lockout, Rate, Used};

/// How many parties each map remembers.
const ENTRIES: usize = 100_000;
/// How many times as often as with one client a person's code may be wrong with all of them together: whoever has
/// one client must not lock the person out of the others.
const ALL_CLIENTS: u32 = 4;

/// Every limit, and what was used of it.
pub struct Limits {
    of_client: Rated,
    of_user: Rated,
    of_pair: Rated,
    of_address: Rated,
    /// What was said in the log: a flood must not become one there.
    said: Rated,
    pending: usize,
    lockout: Option<Lockout>,
    /// Of clients, from an address.
    clients: Recent<Failures>,
    /// Of codes: for a person and a client, and for a person.
    codes: Recent<Failures>,
    /// When a client last proved itself from an address.
    proved: Recent<Option<Timestamp>>,
}

/// For how long after it proved itself a client is not made to suffer for who else comes from its address.
const PROVED: SignedDuration = SignedDuration::from_hours(1);

impl Limits {
    /// Nothing was used yet.
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            of_client: Rated::new(config.requests_per_client_minute),
            of_user: Rated::new(config.requests_per_user_minute),
            of_pair: Rated::new(config.requests_per_pair_minute),
            of_address: Rated::new(config.failures_per_address_minute),
            said: Rated::new(1),
            pending: config.pending_per_user as usize,
            lockout: Lockout::new(config.lockout_failures, config.lockout_minutes),
            clients: Recent::default(),
            codes: Recent::default(),
            proved: Recent::default(),
        }
    }

    /// Whether a client starts too many requests.
    ///
    /// # Errors
    /// It does.
    pub fn ask(&self, client: &ClientId, now: Timestamp) -> Result<(), Refused> {
        self.of_client.take(client, now).map_err(|wait| {
            if self.say(("client", client), now) {
                tracing::warn!(%client, "a client starts more requests than requests_per_client_minute; the others are refused");
            }
            later("this client starts too many requests", wait)
        })
    }

    /// Whether a person is asked too often, by this client or by all. `user` may be whatever stands for a person whom
    /// nobody knows, so that they are answered alike.
    ///
    /// # Errors
    /// They are. Nothing was counted.
    pub fn reach(&self, client: &ClientId, user: &UserId, now: Timestamp) -> Result<(), Refused> {
        let of_pair = self.of_pair.take(&(client, user), now).map_err(|wait| ("this client asks this person", wait));
        of_pair.and_then(|()| self.of_user.take(user, now).map_err(|wait| ("this person is asked", wait))).map_err(|(who, wait)| {
            if self.say(("reach", client, user), now) {
                tracing::warn!(%client, %user, "{who} more often than the limits allow; the other requests are refused");
            }
            later(format!("{who} too often"), wait)
        })
    }

    /// Whether one more request may wait for a person, where these clients' do. One client may fill half of the places.
    ///
    /// # Errors
    /// Too many do.
    pub fn pend(&self, client: &ClientId, waiting: &[ClientId]) -> Result<(), Refused> {
        let own = waiting.iter().filter(|waits| *waits == client).count();
        if self.pending == 0 || (waiting.len() < self.pending && own < self.pending.div_ceil(2)) {
            return Ok(());
        }
        // Until when is not said: it would tell of requests that are not this client's.
        Err(later("too many requests wait for this person already", SignedDuration::from_secs(10)))
    }

    /// Whether what is shown as a client's credential is looked at, before it is.
    ///
    /// # Errors
    /// It is not: too much was wrong before, of this client or from this address.
    pub fn listen(&self, client: Option<&ClientId>, from: IpAddr, now: Timestamp) -> Result<(), Refused> {
        let from = network(from);
        if let Some(client) = client {
            if let Some(lockout) = self.lockout {
                let failures = self.clients.of(&(client, from));
                lockout.open(&failures, now).map_err(|wait| {
                    // The same code as for a wrong credential, because this may well be one.
                    let what = "too many wrong credentials were shown for this client from this address: wait";
                    Refused::later(ProtocolError::new(ErrorCode::InvalidClient, what), wait)
                })?;
            }
            if self.proved.of(&(client, from)).is_some_and(|proved| now.duration_since(proved) < PROVED) {
                return Ok(());
            }
        }
        self.of_address.left(&from, now).map_err(|wait| later("too many wrong credentials, or registrations, come from this address", wait))
    }

    /// A credential was wrong.
    pub fn failed(&self, client: Option<&ClientId>, from: IpAddr, now: Timestamp) {
        self.count(from, now);
        let from = network(from);
        let (Some(client), Some(lockout)) = (client, self.lockout) else { return };
        if let Some(locked) = self.clients.with(&(client, from), |failures| lockout.failed(failures, now)) {
            let client = client.as_str().escape_debug();
            tracing::warn!(%client, %from, seconds = locked.as_secs(), "a client is locked out: too many wrong credentials");
        }
    }

    /// A credential was right.
    pub fn proved(&self, client: &ClientId, from: IpAddr, now: Timestamp) {
        let from = network(from);
        self.proved.with(&(client, from), |proved| *proved = Some(now));
        if self.clients.of(&(client, from)) != Failures::default() {
            self.clients.with(&(client, from), |failures| *failures = Failures::default());
        }
    }

    /// Whether a stranger may do something here that leaves something behind, such as to register. It is counted like a
    /// wrong credential.
    ///
    /// # Errors
    /// Too much comes from this address.
    pub fn knock(&self, from: IpAddr, now: Timestamp) -> Result<(), Refused> {
        self.listen(None, from, now)?;
        self.count(from, now);
        Ok(())
    }

    fn count(&self, from: IpAddr, now: Timestamp) {
        let from = network(from);
        if self.of_address.count(&from, now) && self.say(("address", from), now) {
            tracing::warn!(%from, "an address is refused for now: more failures than failures_per_address_minute");
        }
    }

    /// Whether a person's code is looked at. It counts as wrong until [`Limits::code_was_right`]: whoever guesses many at
    /// the same time would be ahead of the count otherwise.
    ///
    /// # Errors
    /// It is not: too many were wrong.
    pub fn try_code(&self, client: &ClientId, user: &UserId, now: Timestamp) -> Result<(), Refused> {
        let Some(lockout) = self.lockout else { return Ok(()) };
        let mut locked = self.codes.with(&(Some(client), user), |failures| attempt(lockout, failures, now));
        if locked.is_ok() {
            locked = self.codes.with(&(None::<&ClientId>, user), |failures| attempt(lockout.times(ALL_CLIENTS), failures, now));
        }
        locked.map_err(|wait| {
            if self.say(("code", client, user), now) {
                tracing::warn!(%client, %user, "a person's code is not looked at: it was wrong too often");
            }
            // The same code as for a wrong one, because this may well be one.
            Refused::later(ProtocolError::new(ErrorCode::InvalidUserCode, "too many wrong codes were sent for this person: wait"), wait)
        })
    }

    /// What was tried was right.
    pub fn code_was_right(&self, client: &ClientId, user: &UserId) {
        for client in [Some(client), None] {
            self.codes.with(&(client, user), |failures| *failures = Failures::default());
        }
    }

    /// Whether this is worth a line in the log: once a minute.
    fn say(&self, what: impl Hash, now: Timestamp) -> bool {
        self.said.take(&what, now).is_ok()
    }
}

impl Flow {
    /// Whether this client may reach this person now, before anything is stored.
    ///
    /// # Errors
    /// The person is asked too often, or asked too much already.
    pub async fn may_reach(&self, client: &ClientId, user: &UserId, now: Timestamp) -> Result<(), Refused> {
        if self.limits.pending > 0 {
            self.limits.pend(client, &self.store.pending_of(user, now).await?)?;
        }
        self.limits.reach(client, user, now)
    }
}

fn attempt(lockout: Lockout, failures: &mut Failures, now: Timestamp) -> Result<(), SignedDuration> {
    lockout.open(failures, now)?;
    lockout.failed(failures, now);
    Ok(())
}

fn later(what: impl Into<String>, wait: SignedDuration) -> Refused {
    Refused::later(ProtocolError::new(ErrorCode::TemporarilyUnavailable, what), wait)
}

/// Whoever has an IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

/// A rate, where there is one, and what each party has used of it.
struct Rated {
    rate: Option<Rate>,
    used: Recent<Used>,
}

impl Rated {
    fn new(most: u32) -> Self {
        Self { rate: Rate::per_minute(most), used: Recent::default() }
    }

    fn take(&self, party: &impl Hash, now: Timestamp) -> Result<(), SignedDuration> {
        self.rate.map_or(Ok(()), |rate| self.used.with(party, |used| rate.take(used, now)))
    }

    fn left(&self, party: &impl Hash, now: Timestamp) -> Result<(), SignedDuration> {
        self.rate.map_or(Ok(()), |rate| rate.left(self.used.of(party), now))
    }

    /// Uses one, and says whether that was the last.
    fn count(&self, party: &impl Hash, now: Timestamp) -> bool {
        self.rate.is_some_and(|rate| {
            self.used.with(party, |used| {
                rate.count(used, now);
                rate.left(*used, now).is_err()
            })
        })
    }
}

/// A map that never grows beyond [`ENTRIES`]. Parties are remembered by a hash that nobody outside can predict: so each
/// takes the same room, whatever it calls itself.
struct Recent<V> {
    hash: RandomState,
    halves: Mutex<Halves<V>>,
}

/// When the younger half is full, the older one is forgotten. What is asked for moves to the younger one.
struct Halves<V> {
    young: HashMap<u64, V>,
    old: HashMap<u64, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { hash: RandomState::new(), halves: Mutex::new(Halves { young: HashMap::new(), old: HashMap::new() }) }
    }
}

impl<V: Copy + Default> Recent<V> {
    /// What is remembered of this party. Asking leaves no trace: names that nobody has must not drive out the others.
    fn of(&self, party: &impl Hash) -> V {
        let key = self.hash.hash_one(party);
        let halves = self.lock();
        halves.young.get(&key).or_else(|| halves.old.get(&key)).copied().unwrap_or_default()
    }

    /// Looks at, and changes, what is remembered of this party, or at nothing yet.
    fn with<T>(&self, party: &impl Hash, look: impl FnOnce(&mut V) -> T) -> T {
        let key = self.hash.hash_one(party);
        let mut halves = self.lock();
        let Halves { young, old } = &mut *halves;
        if !young.contains_key(&key) && young.len() >= ENTRIES / 2 {
            *old = std::mem::take(young);
        }
        look(young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, Halves<V>> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn limits(config: LimitsConfig) -> Limits {
        Limits::new(&config)
    }

    const OFF: LimitsConfig = LimitsConfig {
        requests_per_client_minute: 0,
        requests_per_user_minute: 0,
        requests_per_pair_minute: 0,
        pending_per_user: 0,
        failures_per_address_minute: 0,
        lockout_failures: 0,
        lockout_minutes: 15,
    };

    /// What a refusal says: its code, and after how many seconds to come back.
    fn refused(result: Result<(), Refused>) -> Option<(ErrorCode, u64)> {
        match result {
            Ok(()) => None,
            Err(Refused::Later { error, after }) => Some((error.code, after)),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_map_is_bounded_and_forgets_what_was_longest_not_asked_for() {
        let recent = Recent::<u64>::default();
        for party in 0..5 * ENTRIES as u64 {
            recent.with(&party, |value| *value = party);
            assert_eq!(recent.with(&0, |value| std::mem::replace(value, 7)), if party == 0 { 0 } else { 7 }, "after {party}");
            let halves = recent.lock();
            assert!(halves.young.len() + halves.old.len() <= ENTRIES);
        }
        assert_eq!(recent.of(&1), 0, "it is remembered for ever");
        assert_eq!(recent.of(&0), 7);
        assert!(size_of::<(u64, Option<Timestamp>)>() <= 32 && size_of::<(u64, Failures)>() <= 32, "an entry has become bigger");
    }

    #[test]
    fn one_clients_requests_do_not_touch_anothers_and_come_back() {
        let limits = limits(LimitsConfig { requests_per_client_minute: 2, ..OFF });
        let ask = |client: &str, second| refused(limits.ask(&client.into(), at(second)));
        assert_eq!([ask("a", 0), ask("a", 0), ask("a", 0)], [None, None, Some((ErrorCode::TemporarilyUnavailable, 30))]);
        assert_eq!((ask("b", 0), ask("a", 29)), (None, Some((ErrorCode::TemporarilyUnavailable, 1))));
        assert_eq!((ask("a", 30), ask("a", 30).is_some()), (None, true));
    }

    #[test]
    fn a_person_is_asked_so_often_and_by_one_client_less() {
        let limits = limits(LimitsConfig { requests_per_user_minute: 3, requests_per_pair_minute: 2, ..OFF });
        let reach = |client: &str, user: &str| refused(limits.reach(&client.into(), &user.into(), at(0))).map(|(_, after)| after);
        assert_eq!([reach("a", "alice"), reach("a", "alice"), reach("a", "alice")], [None, None, Some(30)]);
        assert_eq!([reach("b", "alice"), reach("b", "alice")], [None, Some(20)], "the flood of one client used up the person");
        assert_eq!(reach("a", "bob"), None);
    }

    #[test]
    fn one_client_fills_half_of_the_places() {
        let limits = limits(LimitsConfig { pending_per_user: 3, ..OFF });
        let pend = |client: &str, waiting: &[&str]| {
            let waiting: Vec<ClientId> = waiting.iter().map(|client| (*client).into()).collect();
            refused(limits.pend(&client.into(), &waiting)).is_none()
        };
        assert!(pend("a", &[]) && pend("a", &["a"]) && !pend("a", &["a", "a"]) && pend("b", &["a", "a"]));
        assert!(!pend("c", &["a", "a", "b"]));
    }

    #[test]
    fn a_client_that_fails_is_locked_out_where_it_failed_and_nowhere_else() {
        let limits = limits(LimitsConfig { lockout_failures: 2, ..OFF });
        let (a, b, there): (ClientId, ClientId, IpAddr) = ("a".into(), "b".into(), "192.0.2.1".parse().unwrap());
        let listen = |client: &ClientId, from, second| refused(limits.listen(Some(client), from, at(second)));
        limits.failed(Some(&a), HERE, at(0));
        limits.proved(&a, HERE, at(0));
        limits.failed(Some(&a), HERE, at(0));
        assert_eq!(listen(&a, HERE, 0), None, "what was right in between does not count");
        limits.failed(Some(&a), HERE, at(0));
        assert_eq!(listen(&a, HERE, 0), Some((ErrorCode::InvalidClient, 60)));
        assert_eq!((listen(&a, there, 0), listen(&b, HERE, 0), listen(&a, HERE, 60)), (None, None, None));
    }

    #[test]
    fn an_address_that_fails_is_refused_but_not_the_clients_that_proved_themselves_there() {
        let limits = limits(LimitsConfig { failures_per_address_minute: 3, ..OFF });
        let (known, from, neighbour): (ClientId, IpAddr, IpAddr) =
            ("known".into(), "2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        limits.proved(&known, from, at(0));
        for _ in 0..3 {
            assert_eq!(refused(limits.listen(None, from, at(0))), None);
            limits.count(from, at(0));
        }
        assert_eq!(refused(limits.listen(Some(&"b".into()), neighbour, at(0))), Some((ErrorCode::TemporarilyUnavailable, 20)));
        assert_eq!(refused(limits.listen(None, HERE, at(0))), None);
        assert_eq!(refused(limits.listen(Some(&known), from, at(0))), None);
        assert!(refused(limits.listen(Some(&known), "2001:db8:0:1::1".parse().unwrap(), at(0))).is_none());
        assert_eq!(refused(limits.listen(None, from, at(20))), None);
    }

    #[test]
    fn codes_are_not_guessed_by_one_client_nor_by_many_nor_at_once() {
        let limits = limits(LimitsConfig { lockout_failures: 2, ..OFF });
        let try_code = |client: &str, user: &str| refused(limits.try_code(&client.into(), &user.into(), at(0)));
        let locked = Some((ErrorCode::InvalidUserCode, 60));
        assert_eq!([try_code("a", "alice"), try_code("a", "alice"), try_code("a", "alice")], [None, None, locked]);
        // What is not looked at does not count either: four clients may fail twice each.
        assert_eq!([try_code("a", "alice"), try_code("a", "bob")], [locked, None]);
        for client in ["b", "c", "d"] {
            assert_eq!([try_code(client, "alice"), try_code(client, "alice")], [None, None], "{client}");
        }
        assert_eq!(try_code("e", "alice"), locked, "many clients guess together");
        limits.code_was_right(&"e".into(), &"alice".into());
        assert_eq!(try_code("f", "alice"), None);
    }

    #[test]
    fn nothing_is_limited_where_everything_is_off() {
        let limits = limits(OFF);
        for _ in 0..1000 {
            limits.failed(Some(&"a".into()), HERE, at(0));
            let asked = [limits.ask(&"a".into(), at(0)), limits.reach(&"a".into(), &"u".into(), at(0))];
            let shown = [limits.listen(Some(&"a".into()), HERE, at(0)), limits.try_code(&"a".into(), &"u".into(), at(0))];
            assert!(asked.into_iter().chain(shown).all(|result| refused(result).is_none()));
        }
        assert!(refused(limits.pend(&"a".into(), &vec!["a".into(); 1000])).is_none());
    }
}
