//! Users, the hints that find them, and the devices that reach them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::binding_message::is_unshowable;
use super::identifier::{DeviceId, UserId};

/// A person who can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// `sub` in their tokens.
    pub id: UserId,
    /// What they sign in with. Unique, compared without regard to ASCII case.
    pub username: String,
    /// What they are called.
    pub name: String,
    /// E-mail address; unique where present.
    pub email: Option<String>,
    /// Phone number in E.164; unique where present.
    pub phone: Option<String>,
    /// Preferred language, a BCP 47 tag.
    pub locale: Option<String>,
    /// Whether a file says all this: only the file changes it.
    #[serde(default)]
    pub declared: bool,
}

/// The channel of the device page.
pub const CHANNEL_INBOX: &str = "inbox";

/// A device or address by which a user is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its identifier.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What they call it.
    pub name: String,
    /// How it is reached: a plugin serves this channel.
    pub channel: String,
    /// The address on that channel, where it needs one.
    pub address: Option<String>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// Whether a person can be known by these.
///
/// # Errors
/// What cannot be, and how it is written.
pub fn check_person(username: &str, email: Option<&str>, phone: Option<&str>) -> Result<(), String> {
    if username.trim().is_empty() || username.len() > 128 || username.chars().any(is_unshowable) {
        return Err("a username is 1 to 128 bytes that can be shown".to_owned());
    }
    if email.is_some_and(|email| !email.contains('@')) {
        return Err("an e-mail address contains @".to_owned());
    }
    if phone.is_some_and(|phone| !phone.starts_with('+')) {
        return Err("a phone number is written with its country code, for example +1 555 010 0100".to_owned());
    }
    Ok(())
}

/// The longest `login_hint` that is looked up, in bytes.
pub const HINT_LENGTH_MAX: usize = 256;

/// A `login_hint` brought to the form in which users are stored.
pub fn normal_hint(hint: &str) -> String {
    let hint = hint.trim();
    if is_phone(hint) {
        return hint.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    }
    hint.to_lowercase()
}

/// Whether this reads as a phone number: a plus, then digits and the usual separators.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|rest| {
        rest.chars().any(|c| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.'))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hint_is_found_however_people_write_it() {
        for (written, stored) in
            [("Alice", "alice"), (" alice@Example.com ", "alice@example.com"), ("+1 (555) 010-0100", "+15550100100"), ("+bob", "+bob")]
        {
            assert_eq!(super::normal_hint(written), stored);
        }
    }
}
