//! What operators do with the provider's signing keys.

use jiff::SignedDuration;
use serde_json::Value;

use super::{NotDone, Operator, SecretText, to_json};
use crate::jose::KeyRing;
use crate::jose::import::private_key;
use crate::jose::schedule::Change;
use crate::protocol::algorithm::JwsAlgorithm;

impl Operator {
    /// Every key, with what it does.
    pub(super) fn key_list(&self) -> Result<Value, NotDone> {
        to_json(&self.ring()?.list())
    }

    /// Has keys replaced before their time.
    pub(super) async fn key_rotate(&self, alg: Option<JwsAlgorithm>, overlap_hours: Option<u32>) -> Result<Value, NotDone> {
        let (ring, now) = (self.ring()?, self.clock.now());
        let overlap = overlap_hours.map(|hours| SignedDuration::from_hours(i64::from(hours)));
        let about = alg.map_or("all", JwsAlgorithm::as_str);
        // Making an RSA key takes a good part of a second.
        self.changed("key rotate", about, tokio::task::spawn_blocking(move || ring.rotate(alg, overlap, now))).await
    }

    /// Takes in a key that was made elsewhere.
    pub(super) async fn key_import(&self, alg: JwsAlgorithm, text: SecretText) -> Result<Value, NotDone> {
        let (ring, now) = (self.ring()?, self.clock.now());
        let der = private_key(&text.0).map_err(|what| NotDone::Asked(format!("the key {what}")))?;
        self.changed("key import", alg.as_str(), tokio::task::spawn_blocking(move || ring.import(alg, &der, now))).await
    }

    async fn changed(&self, what: &str, about: &str, work: tokio::task::JoinHandle<anyhow::Result<Vec<Change>>>) -> Result<Value, NotDone> {
        let changes =
            work.await.map_err(|error| NotDone::Asked(error.to_string()))?.map_err(|error| NotDone::Asked(format!("{error:#}")))?;
        self.store.audit(self.audit(what, about)).await?;
        to_json(&changes.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn ring(&self) -> Result<KeyRing, NotDone> {
        Ok(self.running("keys are looked after by the running host")?.keys.clone())
    }
}
