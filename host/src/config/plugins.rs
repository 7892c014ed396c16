//! The plugin folder, and what plugins may use and do.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::protocol::plugin::{Permissions, PluginName, check_origin};
use crate::runtime::CallLimits;

/// `[plugins]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugins {
    /// Relative to the data directory.
    pub folder: PathBuf,
    /// Whether instances are reset the faster way, where that is safe.
    pub pagemap_scan: bool,
    /// How long compiling a file may take.
    pub compile_seconds: u32,
    /// For every plugin.
    pub limits: CallLimits,
    /// For single plugins: what their tables say, laid over `limits`.
    pub limits_of: HashMap<PluginName, CallLimits>,
    /// What single plugins may do.
    pub allow: HashMap<PluginName, Permissions>,
}

impl Plugins {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.compile_seconds == 0 {
            return Err(("plugins.compile_seconds".to_owned(), "compile_seconds must be at least 1".to_owned()));
        }
        self.limits.check().map_err(|what| ("plugins.limits".to_owned(), what))?;
        for (name, limits) in &self.limits_of {
            limits.check().map_err(|what| (format!("plugins.limits_of.{name}"), what))?;
        }
        for (name, allowed) in &self.allow {
            allowed.http.iter().try_for_each(|origin| check_origin(origin)).map_err(|what| (format!("plugins.allow.{name}"), what))?;
        }
        Ok(())
    }
}
