//! The strip of the demo page: which plugins serve, and how the traffic goes.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::super::{console::PluginState, spoken_version};

/// `GET /demo/status`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub started: u64,
    pub finished: u64,
    pub failed: u64,
    pub pid: u32,
    pub uptime_s: u64,
    /// Whether 20 authentications a second are being started for other users.
    pub traffic: bool,
    pub plugins: Vec<PluginStatus>,
}

/// One plugin on the strip. Its JSON also says the state in the page's words, so that they stand in one place.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    pub name: String,
    /// The version that serves, even while a newer file is refused.
    pub version: Option<String>,
    pub digest: Option<String>,
    pub state: PluginState,
    pub since_ms: i64,
    /// Why the last file was not taken.
    pub message: Option<String>,
    /// The version before this one, shown for a while after a swap. The script sees a swap by itself;
    /// a server that does not know says `None`.
    pub replaced: Option<String>,
}

impl Status {
    /// `3 min`, coarse on purpose: it is there to be seen not to start again from nothing.
    pub(super) fn uptime(&self) -> String {
        match self.uptime_s {
            seconds @ 0..60 => format!("{seconds} s"),
            seconds @ 60..7200 => format!("{} min", seconds / 60),
            seconds => format!("{} h", seconds / 3600),
        }
    }
}

impl Serialize for PluginStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut status = serializer.serialize_struct("PluginStatus", 8)?;
        status.serialize_field("name", &self.name)?;
        status.serialize_field("version", &self.version)?;
        status.serialize_field("digest", &self.digest)?;
        status.serialize_field("state", &self.state)?;
        status.serialize_field("since_ms", &self.since_ms)?;
        status.serialize_field("message", &self.message)?;
        status.serialize_field("spoken", self.spoken())?;
        status.serialize_field("sentence", &self.sentence())?;
        status.end()
    }
}

impl PluginStatus {
    pub(super) fn before(&self) -> &str {
        self.replaced.as_deref().map_or("", spoken_version)
    }

    pub(super) fn digest(&self) -> &str {
        self.digest.as_deref().unwrap_or("")
    }

    pub(super) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("")
    }

    pub(super) fn spoken(&self) -> &str {
        self.version.as_deref().map_or("none", spoken_version)
    }

    /// What the strip says behind the name.
    pub(super) fn sentence(&self) -> String {
        match (self.state, &self.version) {
            (PluginState::Serving, _) => "serving".to_owned(),
            (PluginState::Refused, Some(_)) => format!("refused, {} still serving", self.spoken()),
            (PluginState::Waiting, Some(_)) => {
                format!("waiting for the rest of the file, {} still serving", self.spoken())
            }
            (PluginState::Waiting, None) => "waiting for the rest of the file".to_owned(),
            (PluginState::Refused, None) => "refused, nothing serving".to_owned(),
            (PluginState::Blocked, _) => "blocked until it is allowed".to_owned(),
            (PluginState::Shadow, _) => "a shadow: its answers are only compared".to_owned(),
            (PluginState::Off, _) => "off".to_owned(),
        }
    }
}
