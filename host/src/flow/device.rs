//! What a person's device may see and do.

use jiff::SignedDuration;

use super::Flow;
use crate::protocol::identifier::{Bearer, DeviceId, Digest, TransactionId, UserId};
use crate::protocol::user::{Device, User};
use crate::store::{Card, NewDevice, Spent, StoreError};

/// How long an answered or expired card stays on the page.
const LINGER: SignedDuration = SignedDuration::from_secs(60);
/// The longest name of a device, in characters.
const DEVICE_NAME_CHARACTERS: usize = 60;
/// Entries of the history.
const HISTORY: u32 = 50;

/// A device page that somebody was enrolled on.
#[derive(Clone, Debug)]
pub struct Session {
    /// The device.
    pub device: Device,
    /// Its person.
    pub user: User,
}

impl Flow {
    /// Whose page holds this cookie.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn device_session(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let found = self.store.device_by_session(&Digest::of(cookie.as_bytes())).await?;
        Ok(found.map(|(device, user)| Session { device, user }))
    }

    /// Whom a one-time enrolment link is for. Looking does not use it up.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn look_enrolment(&self, token: &str) -> Result<Option<User>, StoreError> {
        self.store.enrolment(&Digest::of(token.as_bytes()), self.clock.now()).await
    }

    /// Uses a one-time enrolment link: the new session's cookie, or `None` when the link is used or expired.
    ///
    /// # Errors
    /// When the store cannot answer; the link is then as it was.
    pub async fn enrol(&self, token: &str, device_name: &str) -> Result<Option<(Bearer, User)>, StoreError> {
        let cookie = Bearer::from_random(self.random.bytes());
        let name: String =
            device_name.chars().filter(|c| !crate::protocol::binding_message::is_unshowable(*c)).take(DEVICE_NAME_CHARACTERS).collect();
        let name = if name.trim().is_empty() { "Phone".to_owned() } else { name.trim().to_owned() };
        let device = NewDevice { id: DeviceId::from_random(self.random.bytes()), name, session: cookie.digest() };
        let user = self.store.enrol(&Digest::of(token.as_bytes()), device, self.clock.now()).await?;
        if let Some(user) = &user {
            tracing::info!(user = %user.id, "a device page was enrolled");
            self.wakes.user_changed(&user.id);
            self.device_appeared();
        }
        Ok(user.map(|user| (cookie, user)))
    }

    /// Requests that wait for a device to appear are announced again now.
    pub(super) fn device_appeared(&self) {
        self.store.hasten_notifications(self.clock.now());
        self.wakes.job_added();
    }

    /// The cards of a person's page: what was announced or found by checking, and what has just ended.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn cards(&self, session: &Session) -> Result<Vec<Card>, StoreError> {
        let now = self.clock.now();
        let cards = self.store.cards(&session.user.id, now, now - LINGER).await?;
        Ok(cards.into_iter().filter(|card| card.shown).collect())
    }

    /// What waits on a person's page, oldest first.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn waiting(&self, user: &UserId) -> Result<Vec<TransactionId>, StoreError> {
        self.store.waiting(user, self.clock.now()).await
    }

    /// The person checked: what no plugin announced appears too.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn check(&self, session: &Session) -> Result<Vec<Card>, StoreError> {
        self.store.show_all(&session.user.id, self.clock.now()).await?;
        self.cards(session).await
    }

    /// One card, whatever became of it.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn card(&self, session: &Session, transaction: &TransactionId) -> Result<Option<Card>, StoreError> {
        self.store.card(&session.user.id, transaction).await
    }

    /// The person's latest requests.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn history(&self, session: &Session) -> Result<Vec<Card>, StoreError> {
        self.store.history(&session.user.id, HISTORY).await
    }

    /// Opens a request by a one-time link. The link shows the request; who may answer it is still the person whose
    /// page this is.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn open_link(&self, session: &Session, token: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let Some((transaction, link)) = self.links.read(token) else { return Ok(false) };
        let Some(card) = self.store.card(&session.user.id, &transaction).await? else { return Ok(false) };
        if now >= card.request.expires_at || !self.store.spend(Spent { what: link, until: card.request.expires_at }).await? {
            return Ok(false);
        }
        self.store.show_all(&session.user.id, now).await?;
        Ok(true)
    }

    /// Disconnects this device.
    ///
    /// # Errors
    /// When the store cannot answer; the device is then still connected.
    pub async fn remove_device(&self, session: &Session) -> Result<(), StoreError> {
        self.store.remove_device(&session.user.id, &session.device.id).await?;
        tracing::info!(user = %session.user.id, "a device page was removed");
        self.wakes.devices_changed(&session.user.id);
        Ok(())
    }
}
