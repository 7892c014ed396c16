//! What operators do with users and their devices.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{NotDone, Operator, SecretText, found, to_json};
use crate::flow::user_code;
use crate::protocol::identifier::{Bearer, DeviceId, UserId};
use crate::protocol::user::{Device, User, check_person, normal_hint};

/// How long an enrolment link is good.
const ENROLMENT: SignedDuration = SignedDuration::from_mins(15);

impl Operator {
    pub(super) async fn remove_user(&self, username: &str) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        if user.declared {
            return Err(NotDone::Asked(format!(
                "the user {username} is declared in a file, and only the file changes them: declared/users/{}",
                user.username
            )));
        }
        let removed = self.store.remove_user(&user.id, self.audit("user remove", username)).await?;
        if let Some(flow) = &self.flow {
            flow.wakes.devices_changed(&user.id);
        }
        found(removed, || format!("there is no user {username}"))
    }

    pub(super) async fn add_user(
        &self,
        username: String,
        name: Option<String>,
        email: Option<String>,
        phone: Option<String>,
        locale: Option<String>,
    ) -> Result<Value, NotDone> {
        check_person(&username, email.as_deref(), phone.as_deref()).map_err(NotDone::Asked)?;
        let id = UserId(DeviceId::from_random(self.random.bytes()).0);
        let user =
            User { id, name: name.unwrap_or_else(|| username.clone()), username: username.clone(), email, phone, locale, declared: false };
        self.store.add_user(user.clone(), self.audit("user add", &username)).await?;
        to_json(&user)
    }

    pub(super) async fn add_device(
        &self,
        username: &str,
        channel: String,
        address: Option<String>,
        name: Option<String>,
    ) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        let device = Device {
            id: DeviceId::from_random(self.random.bytes()),
            user: user.id,
            name: name.unwrap_or_else(|| channel.clone()),
            channel,
            address,
            added_at: self.clock.now(),
        };
        self.store.add_device(device.clone(), self.audit("user device", username)).await?;
        if let Some(flow) = &self.flow {
            flow.device_appeared();
        }
        Ok(json!({ "device": device.id, "user": username, "channel": device.channel }))
    }

    pub(super) async fn user_code(&self, username: &str, code: Option<SecretText>, remove: bool) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        let made = code.is_none() && !remove;
        let code = match code {
            _ if remove => None,
            Some(given) => Some(user_code::chosen(&given.0).map_err(NotDone::Asked)?),
            None => Some(user_code::made(self.random)),
        };
        let hash = match code.clone() {
            Some(code) => Some(user_code::hashed(code, self.random).await.map_err(NotDone::Asked)?),
            None => None,
        };
        let audit = self.audit(if remove { "user code remove" } else { "user code" }, username);
        self.store.set_user_code(&user.id, hash, audit).await?;
        // One that was made is shown this once.
        Ok(json!({ "user": username, "has_code": !remove, "code": code.filter(|_| made).map(|code| code.to_string()) }))
    }

    pub(super) async fn enrol(&self, username: &str) -> Result<Value, NotDone> {
        let user = self.user(username).await?;
        let token = Bearer::from_random(self.random.bytes());
        let expires_at = self.clock.now() + ENROLMENT;
        self.store.put_enrolment(token.digest(), &user.id, expires_at, self.audit("user enrol", username)).await?;
        Ok(json!({ "link": format!("{}#enrol={}", self.device_page, token.reveal()), "expires_at": expires_at, "user": username }))
    }

    pub(super) async fn user(&self, username: &str) -> Result<User, NotDone> {
        let found = self.store.user_by_hint(&normal_hint(username)).await?;
        found.ok_or_else(|| NotDone::Asked(format!("there is no user {username}")))
    }
}
