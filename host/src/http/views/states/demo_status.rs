//! What the strip of the demo page shows in its fixtures.

use super::super::{
    console::PluginState,
    demo::{PluginStatus, Status},
};
use super::NOW_MS;

pub(super) fn inbox() -> PluginStatus {
    PluginStatus {
        name: "inbox".to_owned(),
        version: Some("1.0.0".to_owned()),
        digest: Some("3f9a".to_owned()),
        state: PluginState::Serving,
        since_ms: NOW_MS - 180_000,
        message: None,
        replaced: None,
    }
}

pub(super) fn swapped() -> PluginStatus {
    PluginStatus { version: Some("2.0.0".to_owned()), digest: Some("9c41".to_owned()), replaced: Some("1.0.0".to_owned()), ..inbox() }
}

pub(super) fn refused() -> PluginStatus {
    PluginStatus {
        state: PluginState::Refused,
        message: Some("this is a core module (not-a-component)".to_owned()),
        replaced: None,
        ..swapped()
    }
}

pub(super) fn status() -> Status {
    let webhook =
        PluginStatus { name: "webhook".to_owned(), version: Some("0.1.0".to_owned()), digest: Some("b07e".to_owned()), ..inbox() };
    Status { started: 3, finished: 3, failed: 0, pid: 41_207, uptime_s: 184, traffic: false, plugins: vec![inbox(), webhook] }
}
