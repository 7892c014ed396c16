//! What a plugin may know about the request it is called for.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::protocol::identifier::TransactionId;

/// One authentication request and one device, as a plugin sees them. Everything but the identifier may be
/// absent, because an outside provider may not say it.
#[derive(Clone)]
pub struct TransactionView {
    /// The opaque identifier.
    pub id: TransactionId,
    /// `client_id`.
    pub client_id: Option<String>,
    /// The client's registered name.
    pub client_name: Option<String>,
    /// The user's `sub`.
    pub user_id: Option<String>,
    /// The user's name.
    pub user_name: Option<String>,
    /// Scope values.
    pub scopes: Vec<String>,
    /// The scopes as sentences, where the caller has better ones than we do: an outside provider's own scopes.
    pub scopes_in_words: Option<Vec<String>>,
    /// `acr_values`, the dearest first.
    pub acr_values: Vec<String>,
    /// `authorization_details`: a JSON array.
    pub authorization_details: Option<String>,
    /// The same in sentences.
    pub details_in_words: Vec<String>,
    /// `request_context`: a JSON object.
    pub request_context: Option<String>,
    /// The resource servers that the tokens are for.
    pub resources: Vec<String>,
    /// What both devices show.
    pub binding_message: Option<String>,
    /// When deciding ends, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// The user's language.
    pub locale: Option<String>,
    /// The device this call is for.
    pub device: Option<DeviceView>,
    /// Every device of the user. Handed out only to plugins that may have them.
    pub devices: Vec<DeviceView>,
    /// A link that opens this request, where one can be made. Handed out only to plugins that may have it.
    pub one_time_link: Option<Zeroizing<String>>,
    /// Whether the request has a device page here.
    pub can_be_shown: bool,
}

impl Default for TransactionView {
    fn default() -> Self {
        Self {
            id: TransactionId(String::new()),
            client_id: None,
            client_name: None,
            user_id: None,
            user_name: None,
            scopes: Vec::new(),
            scopes_in_words: None,
            acr_values: Vec::new(),
            authorization_details: None,
            details_in_words: Vec::new(),
            request_context: None,
            resources: Vec::new(),
            binding_message: None,
            expires_at: None,
            locale: None,
            device: None,
            devices: Vec::new(),
            one_time_link: None,
            can_be_shown: false,
        }
    }
}

impl std::fmt::Debug for TransactionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The rest is about a person.
        f.debug_struct("TransactionView").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The device a call is for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceView {
    /// Its identifier.
    pub id: String,
    /// What the person calls it.
    #[serde(default)]
    pub name: String,
    /// The channel it is reached by.
    pub channel: String,
    /// The address on that channel.
    #[serde(default)]
    pub address: Option<String>,
}

impl std::fmt::Debug for DeviceView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceView").field("id", &self.id).field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// How a decision was made, as a plugin sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceView {
    /// The authentication context class.
    pub acr: Option<String>,
    /// How the person proved who they are (RFC 8176).
    pub amr: Vec<String>,
    /// The device it was answered on.
    pub device_id: Option<String>,
    /// When, in milliseconds since 1970.
    pub at: u64,
}
