//! What clients that register themselves may have.

use serde::{Deserialize, Serialize};

use crate::protocol::client::{DeliveryMode, FapiProfile};
use crate::protocol::scope::Scope;

/// `[registration]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Whether clients may register themselves at all (RFC 7591).
    pub enabled: bool,
    /// Whether they may without an initial access token.
    pub open: bool,
    /// The delivery modes they may have.
    pub modes: Vec<DeliveryMode>,
    /// What they may ask for where they do not say; empty for anything.
    pub scope: String,
    /// The profile that all of them keep to.
    #[serde(with = "maybe_profile")]
    pub fapi_profile: Option<FapiProfile>,
}

impl Registration {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.modes.is_empty() {
            return Err(("registration.modes", "must name poll, ping or push".to_owned()));
        }
        if self.scope.is_empty() {
            return Ok(());
        }
        Scope::parse(&self.scope).map(drop).map_err(|error| ("registration.scope", error.description.into_owned()))
    }
}

mod maybe_profile {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::protocol::client::FapiProfile;

    pub(super) fn serialize<S: Serializer>(profile: &Option<FapiProfile>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(profile.map(FapiProfile::as_str).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FapiProfile>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = FapiProfile::ALL.into_iter().find(|profile| profile.as_str() == text);
        if known.is_none() && !text.is_empty() {
            return Err(D::Error::custom(format!("`{text}` is not a profile: write fapi_ciba_id1, fapi_ciba_fapi2, or nothing")));
        }
        Ok(known)
    }
}
