//! What must still happen outside, and what came of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::protocol::client::DeliveryMode;
use crate::protocol::identifier::DeviceId;
use crate::protocol::plugin::PluginName;
use crate::protocol::transaction::Request;

/// What must still happen outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Tell the user's devices.
    Notify,
    /// Take the notifications back.
    Withdraw,
    /// Tell the client that there is an answer (CIBA Core 10.2).
    Ping,
    /// Send the client its tokens, or that there are none (CIBA Core 10.3).
    Push,
}

impl JobKind {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Notify, Self::Withdraw, Self::Ping, Self::Push];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Withdraw => "withdraw",
            Self::Ping => "ping",
            Self::Push => "push",
        }
    }

    /// Whom it waits for.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Notify | Self::Withdraw => Lane::Plugins,
            Self::Ping | Self::Push => Lane::Clients,
        }
    }

    /// The one that tells a client of this delivery mode how its request ended.
    pub const fn of_outcome(delivery: DeliveryMode) -> Option<Self> {
        match delivery {
            DeliveryMode::Poll => None,
            DeliveryMode::Ping => Some(Self::Ping),
            DeliveryMode::Push => Some(Self::Push),
        }
    }
}

/// Whom a job waits for: slow ones of one kind never hold up those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Plugins, which reach people.
    Plugins,
    /// The endpoints of clients.
    Clients,
}

/// A job that is due, with the request it is about.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its row.
    pub id: i64,
    /// What is to be done.
    pub kind: JobKind,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// The request.
    pub request: Request,
    /// How devices were reached so far.
    pub notified: Vec<Notified>,
    /// Who asks whom.
    pub parties: Parties,
    /// For ping and push: what the client is to be told with, encrypted (see [`NewRequest::to_notify`]).
    pub to_notify: Option<Vec<u8>>,
}

/// Who asks whom, as plugins are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// The client's registered name, while it is registered.
    pub client_name: Option<String>,
    /// The user's name, while there is such a user.
    pub user_name: Option<String>,
    /// The user's language.
    pub locale: Option<String>,
}

/// How one device was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The device.
    pub device: DeviceId,
    /// The plugin that did it.
    pub plugin: PluginName,
    /// That plugin's version.
    pub version: String,
    /// The channel's reference, for `withdraw`.
    pub reference: String,
    /// How long the hook took, in microseconds.
    pub micros: u64,
}

/// What a finished notify job leaves behind.
#[derive(Clone, Debug, Default)]
pub struct NotifyResult {
    /// Every device reached, earlier tries included.
    pub notified: Vec<Notified>,
    /// The note to show, when a plugin put the request on the device page.
    pub shown: Option<Shown>,
    /// Addresses that no longer exist.
    pub gone: Vec<DeviceId>,
    /// What becomes of the job.
    pub next: Next,
    /// Take the notifications back when the request ends: a plugin that was called can.
    pub withdraw: bool,
}

/// How a request appears on the device page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Since when.
    pub at: Timestamp,
    /// A plugin's note.
    pub note: Option<String>,
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// It has ended.
    #[default]
    End,
    /// It goes on: this is only what has happened so far.
    GoOn,
    /// It is tried again at this time, or earlier when what it waits for may be there.
    Wait(Timestamp),
    /// It is tried again at this time and not before: whoever is asked said so.
    NotBefore(Timestamp),
}
