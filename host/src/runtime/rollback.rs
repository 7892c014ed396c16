//! An earlier version serves again, at once, whatever lies in the folder.
//!
//! What lies there is set aside: remembered by its digest, and not taken until something else lies there.

use std::sync::Arc;
use std::time::Instant;

use super::Runtime;
use super::catalog::Plugin;
use super::files::{Files, content_of_version, file_of};
use super::load::{Candidate, Loaded};
use super::standing::NotChanged;
use super::take::{Back, Outcome, not_kept};
use super::version::Version;
use crate::protocol::plugin::{ArtefactDigest, PluginName};
use crate::store::{AuditEntry, ServedVersion, SetAside};

/// What is set aside, and what serves instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// What lies in the folder, and who does not want it.
    pub by: SetAside,
    /// What serves instead, with the secrets that it was loaded with.
    pub(super) content: ArtefactDigest,
}

impl Runtime {
    /// Makes a version that served before the one that serves. It goes through every step that a file goes through. Whether
    /// what lies in the folder is set aside: it is something else.
    ///
    /// # Errors
    /// Why it was not done. Then what served serves on.
    pub async fn roll_back(&self, name: &PluginName, to: &ServedVersion, audit: AuditEntry) -> Result<bool, NotChanged> {
        let start = Instant::now();
        let files = Files::of(&self.folder, name);
        let read = tokio::task::spawn_blocking(move || if files.are_there() { files.read().map(Some) } else { Ok(None) });
        let found = read.await.map_err(|error| NotChanged::Asked(error.to_string()))??;
        let Some(found) = found else {
            let what = format!("there is no {name}.wasm in the plugin folder, and what has no file does not serve: copy one there first");
            return Err(NotChanged::Asked(what));
        };
        let by = SetAside { file: found.file, by: audit.who.clone() };
        // Back to what lies there: nothing is set aside.
        let set_aside = Some(by).filter(|by| by.file != file_of(&to.artefact, &to.file));
        let aside = set_aside.map(|by| self.aside(by, &to.artefact, &to.file));
        let (version, bytes) = self.load_stored(name, &to.artefact, &to.file).await?;
        let _turn = self.publishing.lock().await;
        let version = self.as_said(version);
        if let Some(refusal) = self.catalog().channel_conflict(&version) {
            return Err(refusal.into());
        }
        let is_set_aside = aside.is_some();
        let back = Back { aside, by: Some(audit.who.clone()), audit: Some(audit) };
        self.put_in_place(version, bytes, start, Some(back)).await?;
        Ok(is_set_aside)
    }

    /// Loads what was rolled back to once more: a secret of its has changed.
    pub(super) async fn take_again(&self, name: &PluginName) -> Outcome {
        let start = Instant::now();
        let catalog = self.catalog();
        let Some((serving, aside)) = catalog.plugin(name).and_then(|plugin| plugin.version().cloned().zip(plugin.aside.clone())) else {
            return Outcome::Taken;
        };
        let again = self.aside(aside.by.clone(), &serving.digest, &serving.file_text);
        let loaded = self.load_stored(name, &serving.digest, &serving.file_text).await;
        let _turn = self.publishing.lock().await;
        let now = self.catalog().plugin(name).and_then(|plugin| plugin.aside.clone());
        if now.as_ref() != Some(&aside) {
            // Something else has taken its place meanwhile.
            return Outcome::Taken;
        }
        let taken = match loaded {
            Ok((version, bytes)) => {
                let version = self.as_said(version);
                let back = Back { aside: Some(again), ..Back::default() };
                self.put_in_place(version, bytes, start, Some(back)).await.map_err(|error| not_kept(&error).to_string())
            }
            Err(why) => Err(why.to_string()),
        };
        if let Err(why) = taken {
            tracing::error!(
                "plugin {name}: what it was rolled back to does not take a secret that changed; it serves on with the old one {why}"
            );
        }
        Outcome::Taken
    }

    /// Takes a version that the store has through every step that changes nothing.
    async fn load_stored(&self, name: &PluginName, artefact: &ArtefactDigest, file: &str) -> Result<(Arc<Version>, Arc<[u8]>), NotChanged> {
        let bytes = self.store.artefact(artefact).await?;
        let missing = || NotChanged::Asked(format!("the store has no artefact {}", artefact.short()));
        let bytes: Arc<[u8]> = bytes.ok_or_else(missing)?.into();
        let candidate = Candidate { name: name.clone(), bytes: Arc::clone(&bytes), file_text: file.to_owned() };
        match self.load(&candidate, self.shared_of(name)).await {
            Ok(Loaded::Version(version)) => Ok((version, bytes)),
            Ok(Loaded::Unfinished(refusal)) | Err(refusal) => Err(refusal.into()),
            Ok(Loaded::Off) => Err(NotChanged::Asked("it was turned off by its settings".to_owned())),
        }
    }

    /// What lies in the folder is what was set aside: whatever else was there and was refused, or not whole, is gone.
    pub(super) fn rests(&self, name: &PluginName) {
        let is_new = |plugin: &Plugin| plugin.aside.is_some() && plugin.status != plugin.status_without_file();
        if self.catalog().plugin(name).is_some_and(is_new) {
            self.publish(name, |plugin| plugin.status = plugin.status_without_file());
        }
    }

    /// What is set aside, with what serves instead of it, whose secrets are as they are now.
    pub(super) fn aside(&self, by: SetAside, artefact: &ArtefactDigest, file: &str) -> Aside {
        Aside { by, content: content_of_version(artefact, file, &self.folder) }
    }

    /// Whether this is what lies in the folder and was set aside.
    pub(super) fn is_aside(&self, version: &Version) -> bool {
        let file = file_of(&version.digest, &version.file_text);
        self.catalog().plugin(&version.name).and_then(|plugin| plugin.aside.as_ref()).is_some_and(|aside| aside.by.file == file)
    }
}
