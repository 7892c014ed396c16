//! Who may ask how often, and who has failed too often to be listened to (PROTOCOL: a person must not be flooded, and
//! CIBA must not be a way round the lockout).
//!
//! All of it is in memory: losing it, on a restart, means leniency and nothing worse, and a database that had to be asked
//! first would be what a flood brings down. Each map holds at most [`recent::ENTRIES`], which take about 4 MiB; what was
//! longest not asked for goes first.

mod rated;
mod recent;
mod starting;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Flow, Refused};
use crate::config::LimitsConfig;
use crate::protocol::error::{ErrorCode, ProtocolError};
use crate::protocol::identifier::{ClientId, UserId};
use crate::protocol::rate::{Failures, Lockout};
use rated::Rated;
use recent::Recent;
use starting::{Started, Starting};

/// How many times as often as with one client a person's code may be wrong with all of them together: whoever has
/// one client must not lock the person out of the others.
const ALL_CLIENTS: u32 = 4;

/// Changes of itself that a client sends in a minute: each is a write, an entry in the audit log, and forgets what is known
/// of clients and people.
const CHANGES: u32 = 30;
/// Documents of sectors that are fetched at the same time, and how many seconds later whoever finds no place comes back.
const SECTORS: usize = 8;
const SECTORS_BUSY: SignedDuration = SignedDuration::from_secs(10);

/// Every limit, and what was used of it.
pub struct Limits {
    of_client: Rated,
    of_user: Rated,
    of_pair: Rated,
    of_address: Rated,
    of_changes: Rated,
    sectors: Semaphore,
    /// What was said in the log: a flood must not become one there.
    said: Rated,
    pending: usize,
    starting: Starting,
    /// Held while both rates of [`Limits::reach`] are looked at and used.
    reaching: Mutex<()>,
    lockout: Option<Lockout>,
    /// Of clients, from an address.
    clients: Recent<Failures>,
    /// Of codes: for a person and a client, and for a person.
    codes: Recent<Failures>,
    /// The same of those whom nobody knows: hints can be invented, and must not drive out anybody's lockout.
    codes_of_nobody: Recent<Failures>,
    /// When a client last had the code of a person.
    codes_right: Recent<Option<Timestamp>>,
    /// When a client last proved itself from an address.
    proved: Recent<Option<Timestamp>>,
}

/// For how long after it proved itself a client is not made to suffer for who else comes from its address.
const PROVED: SignedDuration = SignedDuration::from_hours(1);
/// For how long after it had a person's code a client is not made to suffer for who else guesses at it. People use some
/// clients once a month.
const CODE_RIGHT: SignedDuration = SignedDuration::from_hours(31 * 24);

impl Limits {
    /// Nothing was used yet.
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            of_client: Rated::new(config.requests_per_client_minute),
            of_user: Rated::new(config.requests_per_user_minute),
            of_pair: Rated::new(config.requests_per_pair_minute),
            of_address: Rated::new(config.failures_per_address_minute),
            of_changes: Rated::new(CHANGES),
            sectors: Semaphore::new(SECTORS),
            said: Rated::new(1),
            pending: config.pending_per_user as usize,
            starting: Starting::default(),
            reaching: Mutex::default(),
            lockout: Lockout::new(config.lockout_failures, config.lockout_minutes),
            clients: Recent::default(),
            codes: Recent::default(),
            codes_of_nobody: Recent::default(),
            codes_right: Recent::default(),
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
        let one_at_a_time = self.reaching.lock().unwrap_or_else(PoisonError::into_inner);
        let of_pair = self.of_pair.left(&(client, user), now).map_err(|wait| ("this client asks this person", wait));
        let left = of_pair.and_then(|()| self.of_user.left(user, now).map_err(|wait| ("this person is asked", wait)));
        if left.is_ok() {
            self.of_pair.count(&(client, user), now);
            self.of_user.count(user, now);
        }
        drop(one_at_a_time);
        left.map_err(|(who, wait)| {
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

    /// A credential is looked at, which may take time. Whoever hangs up meanwhile has failed, as far as their address goes:
    /// else nobody would ever count what a stranger has us look at.
    pub(super) fn unheard(&self, from: IpAddr, now: Timestamp) -> Unheard<'_> {
        Unheard { limits: self, from, now, heard: false }
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

    /// Whether a client that manages itself may change itself once more.
    ///
    /// # Errors
    /// It has done so too often.
    pub fn change(&self, client: &ClientId, now: Timestamp) -> Result<(), Refused> {
        self.of_changes.take(client, now).map_err(|wait| {
            if self.say(("change", client), now) {
                tracing::warn!(%client, "a client changes its registration more than {CHANGES} times a minute; the others are refused");
            }
            later("this client changes its registration too often", wait)
        })
    }

    /// A place for fetching the document of a sector, whose server may take its time.
    ///
    /// # Errors
    /// All are taken.
    pub fn fetch_sector(&self) -> Result<SemaphorePermit<'_>, Refused> {
        self.sectors.try_acquire().map_err(|_| later("too many documents of sectors are fetched at the moment", SECTORS_BUSY))
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
    pub fn try_code(&self, client: &ClientId, user: &UserId, now: Timestamp) -> Result<Tried, Refused> {
        let Some(lockout) = self.lockout else { return Ok(Tried { with_all: false }) };
        let codes = self.codes(user);
        let mut locked = codes.with(&(Some(client), user), |failures| attempt(lockout, failures, now));
        let was_right = || self.codes_right.of(&(client, user)).is_some_and(|right| now.duration_since(right) < CODE_RIGHT);
        let with_all = locked.is_ok() && !was_right();
        if with_all {
            locked = codes.with(&(None::<&ClientId>, user), |failures| attempt(lockout.times(ALL_CLIENTS), failures, now));
        }
        locked.map(|()| Tried { with_all }).map_err(|wait| {
            if self.say(("code", client, user), now) {
                tracing::warn!(%client, %user, "a person's code is not looked at: it was wrong too often");
            }
            // The same code as for a wrong one, because this may well be one.
            Refused::later(ProtocolError::new(ErrorCode::InvalidUserCode, "too many wrong codes were sent for this person: wait"), wait)
        })
    }

    /// What was tried was right.
    pub fn code_was_right(&self, client: &ClientId, user: &UserId, now: Timestamp) {
        for client in [Some(client), None] {
            self.codes(user).with(&(client, user), |failures| *failures = Failures::default());
        }
        self.codes_right.with(&(client, user), |right| *right = Some(now));
    }

    /// What was tried was neither right nor wrong: whoever should have said so could not.
    pub(super) fn code_was_not_compared(&self, client: &ClientId, user: &UserId, tried: Tried) {
        let counted = [Some(Some(client)), tried.with_all.then_some(None)];
        for client in counted.into_iter().flatten() {
            self.codes(user).with(&(client, user), Failures::take_back);
        }
    }

    fn codes(&self, user: &UserId) -> &Recent<Failures> {
        if user.is_nobody() { &self.codes_of_nobody } else { &self.codes }
    }

    /// Whether this is worth a line in the log: once a minute.
    fn say(&self, what: impl Hash, now: Timestamp) -> bool {
        self.said.take(&what, now).is_ok()
    }
}

/// A code that counts as wrong until it is known to be right. See [`Limits::try_code`].
#[derive(Debug)]
pub struct Tried {
    /// Whether it counts with those of all clients together, and not only with its own client's.
    with_all: bool,
}

/// A credential that nobody heard the outcome of. See [`Limits::unheard`].
pub(super) struct Unheard<'a> {
    limits: &'a Limits,
    from: IpAddr,
    now: Timestamp,
    heard: bool,
}

impl Unheard<'_> {
    /// Whoever asked is still there.
    pub(super) fn heard(mut self) {
        self.heard = true;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.limits.failed(None, self.from, self.now);
        }
    }
}

impl Flow {
    /// Whether this client may reach this person now, before anything is stored. What comes back is held until it is.
    ///
    /// # Errors
    /// The person is asked too often, or asked too much already.
    pub(super) async fn may_reach(&self, client: &ClientId, user: &UserId, now: Timestamp) -> Result<Started<'_>, Refused> {
        let started = self.limits.starting.begin(client, user);
        if self.limits.pending > 0 {
            // In this order: what is stored meanwhile is counted twice rather than not at all.
            let mut waiting = started.ahead();
            waiting.extend(self.store.pending_of(user, now).await?);
            self.limits.pend(client, &waiting)?;
        }
        self.limits.reach(client, user, now)?;
        Ok(started)
    }
}

fn attempt(lockout: Lockout, failures: &mut Failures, now: Timestamp) -> Result<(), SignedDuration> {
    lockout.open(failures, now)?;
    lockout.failed(failures, now);
    Ok(())
}

pub(super) fn later(what: impl Into<String>, wait: SignedDuration) -> Refused {
    Refused::later(ProtocolError::new(ErrorCode::TemporarilyUnavailable, what), wait)
}

/// Whoever has an IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}
