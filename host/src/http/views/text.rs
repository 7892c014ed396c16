//! Every sentence the phone shows, one table per language.
//!
//! [`Text`] is a struct, so a language that misses a sentence does not compile. Sentences with something in
//! them are functions that take [`Markup`], so a foreign string cannot get in without its `<bdi>`.

mod arabic;
mod english;

use serde::Serialize;

use super::markup::Markup;

/// A language of the device page, with the direction it is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Locale {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "ar")]
    Arabic,
}

impl Locale {
    /// All of them, in the order a list shows.
    pub const ALL: [Self; 2] = [Self::English, Self::Arabic];

    /// The language a tag such as `ar-EG` asks for, if we speak it.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or(tag).trim();
        Self::ALL.into_iter().find(|locale| language.eq_ignore_ascii_case(locale.tag()))
    }

    /// The best language for an `Accept-Language` header; English where none fits (RFC 9110, section 12.5.4).
    #[must_use]
    pub fn from_accept_language(header: &str) -> Self {
        let mut best = (0.0_f32, Self::default());
        for entry in header.split(',') {
            let mut parts = entry.split(';');
            let Some(locale) = parts.next().and_then(Self::from_tag) else {
                continue;
            };
            let quality =
                parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1.0, |quality| quality.trim().parse().unwrap_or(0.0));
            if quality > best.0 {
                best = (quality, locale);
            }
        }
        best.1
    }

    /// The tag for `lang`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Arabic => "ar",
        }
    }

    /// The value for `dir`.
    #[must_use]
    pub fn direction(self) -> &'static str {
        match self {
            Self::English => "ltr",
            Self::Arabic => "rtl",
        }
    }

    /// The table of this language.
    #[must_use]
    pub fn text(self) -> &'static Text {
        match self {
            Self::English => &english::TEXT,
            Self::Arabic => &arabic::TEXT,
        }
    }
}

/// A sentence with one foreign part, already marked up.
pub type WithOne = fn(&Markup) -> Markup;
/// A sentence with two, in the order the field's comment names.
pub type WithTwo = fn(&Markup, &Markup) -> Markup;

/// One language.
pub struct Text {
    pub not_encrypted: &'static str,
    pub trouble: &'static str,
    pub trouble_hint: &'static str,
    pub try_again: &'static str,

    // The list of requests.
    pub requests: &'static str,
    pub no_requests: &'static str,
    pub no_requests_hint: &'static str,
    pub connecting: &'static str,
    pub connected: &'static str,
    pub offline: &'static str,
    pub offline_hint: &'static str,
    pub check_now: &'static str,
    pub check_failed: &'static str,
    pub refresh_by_hand: &'static str,
    pub history: &'static str,
    /// Client.
    pub arrived: WithOne,
    /// Client.
    pub half_a_minute_left: WithOne,

    // One request.
    pub wants_to_confirm: &'static str,
    pub what_you_approve: &'static str,
    pub more_than_fits: &'static str,
    /// Client.
    pub needs_more: WithOne,
    pub not_counted: &'static str,
    pub not_reviewed: &'static str,
    pub wants_to: &'static str,
    pub must_match: &'static str,
    pub no_message: &'static str,
    /// The time left.
    pub expires_in: WithOne,
    pub note: &'static str,
    pub deny: &'static str,
    pub approve: &'static str,
    pub read_to_the_end: &'static str,
    pub unverified: &'static str,
    pub client_identifier: &'static str,
    pub calls_itself: &'static str,

    // What became of it.
    pub sending: &'static str,
    pub checking: &'static str,
    pub not_arrived: &'static str,
    pub approved: &'static str,
    /// Client.
    pub approved_then: WithOne,
    pub denied: &'static str,
    pub denied_then: &'static str,
    /// The time.
    pub expired: WithOne,
    pub expired_then: &'static str,
    pub superseded: &'static str,
    pub superseded_then: &'static str,
    /// Device, time.
    pub approved_elsewhere: WithTwo,
    /// Device, time.
    pub denied_elsewhere: WithTwo,
    /// The time.
    pub approved_by_operator: WithOne,
    /// The time.
    pub denied_by_operator: WithOne,
    /// The time.
    pub approved_by_simulated: WithOne,
    /// The time.
    pub denied_by_simulated: WithOne,
    /// The time.
    pub denied_by_rules: WithOne,
    pub not_me: &'static str,
    pub reported: &'static str,
    pub reported_hint: &'static str,
    pub done: &'static str,

    // Adding and removing this phone.
    /// User.
    pub add_this_phone_for: WithOne,
    pub add_hint: &'static str,
    pub add: &'static str,
    pub not_now: &'static str,
    /// With `{browser}` and `{system}`, which the script fills.
    pub device_guess: &'static str,
    pub device_name: &'static str,
    pub looking: &'static str,
    pub not_connected_yet: &'static str,
    pub open_your_link: &'static str,
    pub ask_for_a_new_link: &'static str,
    pub link_unreachable: &'static str,
    pub link_used: &'static str,
    /// Of a link to a request, which each of a person's phones may have been sent.
    pub link_used_hint: &'static str,
    pub of_request: &'static str,
    pub link_code: &'static str,
    /// User.
    pub already_added: WithOne,
    pub request_link: &'static str,
    pub request_link_open: &'static str,
    pub removed: &'static str,
    pub removed_hint: &'static str,

    // History.
    pub back: &'static str,
    pub history_empty: &'static str,
    pub this_phone: &'static str,
    /// User.
    pub belongs_to: WithOne,
    pub remove: &'static str,
    pub remove_hint: &'static str,
    pub remove_confirm: &'static str,
    pub outcome_approved: &'static str,
    pub outcome_denied: &'static str,
    pub outcome_expired: &'static str,
    pub outcome_superseded: &'static str,
    pub outcome_reported: &'static str,
    /// Device.
    pub on_device: WithOne,
    pub by_operator: &'static str,
    pub by_simulated: &'static str,
    pub by_rules: &'static str,

    // Scopes in words.
    pub scope_openid: &'static str,
    pub scope_profile: &'static str,
    pub scope_email: &'static str,
    pub scope_phone: &'static str,
    pub scope_address: &'static str,
    pub scope_offline_access: &'static str,
    /// The scope's name.
    pub scope_other: WithOne,
}

impl Text {
    /// What a standard scope lets the client do (`OpenID` Connect Core, section 5.4); `None` for one we do not know.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&'static str> {
        Some(match name {
            "openid" => self.scope_openid,
            "profile" => self.scope_profile,
            "email" => self.scope_email,
            "phone" => self.scope_phone,
            "address" => self.scope_address,
            "offline_access" => self.scope_offline_access,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_gets_the_language_they_prefer() {
        for (header, expected) in [
            ("", Locale::English),
            ("ar", Locale::Arabic),
            ("ar-EG,en;q=0.8", Locale::Arabic),
            ("en;q=0.8, ar;q=0.9", Locale::Arabic),
            ("fr, de;q=0.7", Locale::English),
            ("ar;q=0, en", Locale::English),
            ("ar;q=nonsense", Locale::English),
        ] {
            assert_eq!(Locale::from_accept_language(header), expected, "{header}");
        }
    }
}
