//! The host's own TLS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[tls]`. Paths are relative to the data directory; empty ones name nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Who vouches for clients' certificates, in PEM.
    pub client_authorities: PathBuf,
}

impl Tls {
    /// Whether the host speaks TLS itself.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.is_on() { "https" } else { "http" }
    }
}
