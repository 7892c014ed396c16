//! How clients and devices come in, and the log of who changed what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::protocol::client::Client;
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

/// What lets a client register itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// An initial access token with this digest, of which it counts as a use.
    Invited(Digest),
    /// That anybody may, while fewer clients than this have registered themselves; 0 is no limit.
    Open(u32),
}

/// How a client's change of itself ended.
#[derive(Clone, Debug)]
pub enum Updated {
    /// It is stored.
    Done,
    /// Nothing is: somebody else has changed it meanwhile, and it is this now.
    Meanwhile(Box<Client>),
    /// There is none with this registration access token any more.
    Gone,
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

/// Which lines of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// No older ones.
    pub since: Option<Timestamp>,
    /// Only those in which this is a part of who did it, of what they did, or of to what.
    pub word: Option<String>,
    /// How many at most: the newest.
    pub most: u32,
}

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: `operator` for whoever holds the admin token, `operator (console)` for who signed in there, `file` where somebody
    /// changed a file.
    pub who: String,
    /// What they did.
    pub what: String,
    /// To what.
    pub about: String,
}
