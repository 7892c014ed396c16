//! Certificates: what the configuration names, read from where it lies.

use std::path::Path;

use anyhow::Context as _;

use crate::cli::data::DataDirectory;
use crate::config::{Outbound, Tls};
use crate::outbound::Door;
use crate::tls::{Acceptor, ClientAuthorities, OwnCertificate, system_authorities_and};

/// What the host shows of itself, and whom it believes about clients.
pub(in crate::cli) struct Security {
    pub(super) own: Option<OwnCertificate>,
    pub(super) authorities: ClientAuthorities,
}

impl Security {
    /// Reads the files of `[tls]`.
    pub(in crate::cli) fn open(config: &Tls, directory: &DataDirectory) -> anyhow::Result<Self> {
        let at = |path: &Path| directory.path().join(path);
        let own = config.is_on().then(|| OwnCertificate::open(&at(&config.certificate), &at(&config.key)));
        let authorities = match config.client_authorities.as_os_str().is_empty() {
            true => ClientAuthorities::default(),
            false => ClientAuthorities::open(&at(&config.client_authorities)).context("tls.client_authorities cannot be used")?,
        };
        Ok(Self { own: own.transpose().context("tls.certificate and tls.key cannot be used")?, authorities })
    }

    /// How a listener speaks, `None` being plain HTTP.
    pub(super) fn acceptor(&self, ask: bool) -> Option<Acceptor> {
        self.own.as_ref().map(|own| own.acceptor(ask))
    }
}

/// The door that leads out, and whom it believes there.
pub(in crate::cli) fn door(config: &Outbound, directory: &DataDirectory) -> anyhow::Result<Door> {
    let door = Door::new(config.private_networks.clone()).with_client_networks(config.client_networks.clone());
    let further = &config.certificate_authorities;
    if further.as_os_str().is_empty() {
        return Ok(door);
    }
    let tls = system_authorities_and(&directory.path().join(further)).context("outbound.certificate_authorities cannot be used")?;
    Ok(door.believing(tls))
}
