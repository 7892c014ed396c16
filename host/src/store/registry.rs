//! How clients and devices come in, and the log of who changed what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::protocol::identifier::{DeviceId, Digest};

/// An initial access token (RFC 7591 1.2).
#[derive(Clone, Copy, Debug)]
pub struct Invitation {
    /// Its digest.
    pub token: Digest,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// For how many registrations.
    pub uses: u32,
}

/// A device page that is being enrolled.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// Its identifier.
    pub id: DeviceId,
    /// What the person calls it.
    pub name: String,
    /// Digest of its session cookie.
    pub session: Digest,
}

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `operator` for whoever holds the admin token.
    pub who: String,
    /// What they did.
    pub what: String,
    /// To what.
    pub about: String,
}
