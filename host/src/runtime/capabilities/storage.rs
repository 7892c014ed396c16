//! `storage`: values that outlast the call and a restart, each plugin's own.
//!
//! The name of the plugin is part of every statement and comes from the host: whatever a key says, it leads to nothing
//! of another plugin's.

use jiff::SignedDuration;

use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::contract::ciba::interception::storage::{Condition, Entry, Host};
use super::super::guest::Guest;
use super::super::withheld::ActKind;
use crate::protocol::binding_message::is_unshowable;
use crate::protocol::plugin::PluginName;
use crate::store::{self, NewValue, Quota, StoreError, Written};

/// The longest key, in bytes.
const KEY_BYTES: usize = 256;
/// The longest value, in bytes.
const VALUE_BYTES: usize = 64 << 10;
/// Keys of one answer.
pub(super) const KEYS_MAX: u32 = 100;
/// Storage calls of one call of a hook: each write waits for the disk together with everybody else's.
const CALLS_MAX: u32 = 100;

impl Guest {
    /// Refuses those that may keep nothing.
    pub(super) fn may_keep(&self) -> Result<(), Refusal> {
        if self.log.shared.permissions().storage { Ok(()) } else { Err(self.not_permitted("storage", "--storage")) }
    }

    /// Whose values these are, if it may keep any, and has not asked too often.
    fn keeps(&mut self) -> Result<PluginName, Refusal> {
        self.may_keep()?;
        if self.storage_calls == CALLS_MAX {
            return Err(Refusal::OverLimit(format!("{CALLS_MAX} storage calls in one call of a hook")));
        }
        self.storage_calls += 1;
        Ok(self.log.shared.name.clone())
    }

    fn quota(&self) -> Quota {
        Quota { keys: u64::from(self.limits.storage_keys), bytes: u64::from(self.limits.storage_kib) << 10 }
    }

    /// What is there as far as this call is concerned. A shadow that was kept from writing before does not find what it would
    /// find, and its answer says nothing.
    async fn find(&mut self, plugin: &PluginName, key: &str) -> Result<Option<Entry>, Refusal> {
        if let Some(unwritten) = self.unwritten.of(key) {
            return Ok(unwritten);
        }
        self.reads_of_a_shadow();
        let found = self.house.store.plugin_value(plugin, key, self.house.clock.now()).await;
        let found = found.map_err(|error| self.store_failed(&error))?;
        Ok(found.map(|kept| Entry { value: kept.value, version: kept.version }))
    }

    fn reads_of_a_shadow(&self) {
        if let Some(withholding) = self.log.withholding.as_ref().filter(|withholding| withholding.comparison.lacks_values()) {
            withholding.depends();
        }
    }

    /// Writes or deletes for the length of this call. The new version, or nothing where the condition does not hold.
    async fn write_as_shadow(
        &mut self,
        plugin: &PluginName,
        key: String,
        value: Option<Vec<u8>>,
        when: Condition,
    ) -> Result<(bool, Option<u64>), Refusal> {
        // A plain write depends on nothing that is there.
        let blind = value.is_some() && matches!(when, Condition::Always);
        let before = if blind { None } else { self.find(plugin, &key).await? };
        let written = self.unwritten.write(key, value, before.as_ref(), &when);
        Ok((before.is_some(), written))
    }

    fn store_failed(&self, error: &StoreError) -> Refusal {
        tracing::warn!(plugin = %self.log.shared.name, %error, "a plugin's storage call failed");
        Refusal::Unavailable("the host's store does not answer".to_owned())
    }
}

impl Host for Guest {
    async fn get(&mut self, key: String) -> Result<Option<Entry>, Refusal> {
        let plugin = self.keeps()?;
        check_key(&key)?;
        self.find(&plugin, &key).await
    }

    async fn set(&mut self, key: String, value: Vec<u8>, expires_in: Option<u32>, when: Condition) -> Result<Option<u64>, Refusal> {
        let plugin = self.keeps()?;
        check_key(&key)?;
        if value.len() > VALUE_BYTES {
            return Err(Refusal::OverLimit(format!("a value has at most {VALUE_BYTES} bytes, and this one {}", value.len())));
        }
        if self.log.withholds(ActKind::Storage, || format!("storage set {key}, {} bytes", value.len())) {
            return Ok(self.write_as_shadow(&plugin, key, Some(value), when).await?.1);
        }
        let now = self.house.clock.now();
        let expires_at = expires_in.map(|seconds| now + SignedDuration::from_secs(i64::from(seconds)));
        let new = NewValue { plugin, key, value, expires_at, when: when.into() };
        match self.house.store.put_plugin_value(new, self.quota(), now).await {
            Ok(Written::Version(version)) => Ok(Some(version)),
            Ok(Written::Differs) => Ok(None),
            Ok(Written::Full) => {
                let (kib, keys) = (self.limits.storage_kib, self.limits.storage_keys);
                Err(Refusal::OverLimit(format!("storage_kib = {kib} and storage_keys = {keys} of plugins.limits: delete something")))
            }
            Err(error) => Err(self.store_failed(&error)),
        }
    }

    async fn delete(&mut self, key: String, when: Condition) -> Result<bool, Refusal> {
        let plugin = self.keeps()?;
        check_key(&key)?;
        if self.log.withholds(ActKind::Storage, || format!("storage delete {key}")) {
            let (was_there, written) = self.write_as_shadow(&plugin, key, None, when).await?;
            return Ok(was_there && written.is_some());
        }
        let removed = self.house.store.remove_plugin_value(&plugin, &key, when.into(), self.house.clock.now()).await;
        removed.map_err(|error| self.store_failed(&error))
    }

    async fn keys(&mut self, prefix: String, after: Option<String>) -> Result<Vec<String>, Refusal> {
        let plugin = self.keeps()?;
        for text in [Some(&prefix), after.as_ref()].into_iter().flatten().filter(|text| !text.is_empty()) {
            check_key(text)?;
        }
        self.reads_of_a_shadow();
        if let Some(withholding) = self.log.withholding.as_ref().filter(|_| self.unwritten.is_any()) {
            // What this call wrote is not among them.
            withholding.depends();
        }
        let found = self.house.store.plugin_keys(&plugin, &prefix, after.as_deref(), KEYS_MAX, self.house.clock.now()).await;
        found.map_err(|error| self.store_failed(&error))
    }
}

/// Whether a text can be a key: operators read them, so it can be shown.
fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(Refusal::OverLimit(format!("a key has 1 to {KEY_BYTES} bytes, and this one {}", key.len())));
    }
    if key.chars().any(is_unshowable) {
        return Err(Refusal::Other("a key has no control characters".to_owned()));
    }
    Ok(())
}

impl From<Condition> for store::Condition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Always => Self::Always,
            Condition::Absent => Self::Absent,
            Condition::Unchanged(version) => Self::Unchanged(version),
        }
    }
}
