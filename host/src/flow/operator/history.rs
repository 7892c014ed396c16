//! What served under a plugin's name, and going back to it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NotDone, Operator, to_json};
use crate::protocol::plugin::PluginName;
use crate::store::ServedVersion;

/// The fewest characters of a digest that name a version.
const DIGEST_MIN: usize = 4;

/// A version that served, as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionView {
    /// What it calls itself.
    pub version: String,
    /// Digest of its component.
    pub digest: String,
    /// From when.
    pub since: Timestamp,
    /// Until when; absent while it serves.
    pub until: Option<Timestamp>,
    /// Who rolled back to it; absent where it came out of the folder.
    pub rolled_back_by: Option<String>,
    /// Its settings, secrets hidden.
    pub settings: Value,
    /// Whether it is the one that serves, component and file: there is nothing to go back to.
    #[serde(default)]
    pub is_as_serving: bool,
}

impl Operator {
    /// What served under this name, newest first.
    ///
    /// # Errors
    /// When there was nothing, or the store cannot answer.
    pub async fn plugin_history(&self, name: &PluginName) -> Result<Vec<VersionView>, NotDone> {
        let history = self.store.plugin_history(name).await?;
        if history.is_empty() {
            return Err(NotDone::Asked(format!("nothing has served under the name {name}; `ciba-host plugin list` shows what does")));
        }
        Ok(views(history))
    }

    pub(super) async fn roll_back(&self, name: PluginName, to: Option<String>, since: Option<Timestamp>) -> Result<Value, NotDone> {
        let flow = self.running("a version is tried before it serves, which only the running host does")?;
        let history = self.store.plugin_history(&name).await?;
        let to = chosen(&name, &history, to.as_deref(), since).map_err(NotDone::Asked)?;
        let audit = self.audit("plugin rollback", &format!("{name} {}", to.artefact.0));
        let set_aside = flow.runtime.roll_back(&name, to, audit).await?;
        let off = flow.runtime.catalog().plugin(&name).is_some_and(|plugin| plugin.serving.is_none());
        to_json(&json!({ "plugin": name, "version": to.version, "digest": to.artefact, "set_aside": set_aside, "off": off }))
    }
}

/// Which version is meant: the one with this digest, where `since` is given the one of these that began to serve then; or
/// else the one before the one that serves.
fn chosen<'a>(
    name: &PluginName,
    history: &'a [ServedVersion],
    to: Option<&str>,
    since: Option<Timestamp>,
) -> Result<&'a ServedVersion, String> {
    let newest = history.first().ok_or_else(|| format!("nothing has served under the name {name}: there is nothing to go back to"))?;
    // When nothing serves, what served last is an earlier one too.
    let serving = Some(newest).filter(|newest| newest.until.is_none());
    let other = |version: &&ServedVersion| serving.is_none_or(|serving| !version.is_same(serving));
    let Some(digest) = to else {
        let Some(serving) = serving else { return Ok(newest) };
        return before(history, serving).ok_or_else(|| format!("no version served under the name {name} before the one that serves"));
    };
    if digest.len() < DIGEST_MIN {
        return Err(format!("`{}` may be the beginning of many digests: give at least {DIGEST_MIN} characters", digest.escape_debug()));
    }
    let meant: Vec<&ServedVersion> = history.iter().filter(|version| version.artefact.0.starts_with(digest)).collect();
    if let Some(since) = since {
        let line = meant.into_iter().find(|version| version.since == since);
        let line = line
            .ok_or_else(|| format!("no version with the digest {} that served from {since} on is kept of {name}", digest.escape_debug()))?;
        return Some(line).filter(other).ok_or_else(|| format!("{name} serves that version already"));
    }
    match meant.iter().copied().find(other) {
        Some(found) if meant.iter().all(|version| version.artefact == found.artefact) => Ok(found),
        Some(_) => Err(format!("several digests begin with {digest}: give more of it")),
        None if meant.is_empty() => {
            let digest = digest.escape_debug();
            Err(format!("no version with the digest {digest} is kept of {name}; `ciba-host plugin history {name}` shows those that are"))
        }
        None => Err(format!("{name} serves that version already")),
    }
}

/// The version before this one, in the order in which they last came out of the folder: who goes back twice goes back by
/// two, and not there and back again.
fn before<'a>(history: &'a [ServedVersion], serving: &ServedVersion) -> Option<&'a ServedVersion> {
    // Newest first: of each version the first line that came out of the folder counts, or its last line if none did.
    let mut places: HashMap<(&str, &str), (usize, bool)> = HashMap::new();
    for (place, line) in history.iter().enumerate() {
        let from_folder = line.rolled_back_by.is_none();
        let known = places.entry((&line.artefact.0, &line.file)).or_insert((place, from_folder));
        if !known.1 {
            *known = (place, from_folder);
        }
    }
    let of_serving = places.get(&(serving.artefact.0.as_str(), serving.file.as_str()))?.0;
    history.get(places.into_values().map(|(place, _)| place).filter(|place| *place > of_serving).min()?)
}

/// What operators see of a history, which is newest first.
pub(super) fn views(history: Vec<ServedVersion>) -> Vec<VersionView> {
    let serving = history.first().filter(|newest| newest.until.is_none()).cloned();
    let is_as_serving = |version: &ServedVersion| serving.as_ref().is_some_and(|serving| version.is_same(serving));
    history.into_iter().map(|version| VersionView { is_as_serving: is_as_serving(&version), ..view(version) }).collect()
}

fn view(version: ServedVersion) -> VersionView {
    VersionView {
        is_as_serving: false,
        settings: serde_json::from_str(&version.settings).unwrap_or_default(),
        version: version.version,
        digest: version.artefact.0,
        since: version.since,
        until: version.until,
        rolled_back_by: version.rolled_back_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::plugin::ArtefactDigest;

    /// A history, oldest first: of each line its component, its settings, and whether it is a rollback.
    fn history(lines: &[(&str, &str, bool)]) -> Vec<ServedVersion> {
        let mut history: Vec<ServedVersion> = lines
            .iter()
            .map(|(artefact, file, back)| ServedVersion {
                artefact: ArtefactDigest((*artefact).to_owned()),
                file: (*file).to_owned(),
                settings: "{}".to_owned(),
                version: "1".to_owned(),
                since: Timestamp::UNIX_EPOCH,
                until: Some(Timestamp::UNIX_EPOCH),
                rolled_back_by: back.then(|| "operator".to_owned()),
            })
            .collect();
        history.last_mut().unwrap().until = None;
        history.reverse();
        history
    }

    #[test]
    fn going_back_twice_goes_back_by_two() {
        let name = PluginName::parse("inbox").unwrap();
        let mut lines = vec![("aaaa", "", false), ("aaaa", "x", false), ("bbbb", "x", false)];
        for expected in [Some(("aaaa", "x")), Some(("aaaa", "")), None] {
            let history = history(&lines);
            let found = chosen(&name, &history, None, None);
            assert_eq!(found.as_ref().ok().map(|found| (&*found.artefact.0, &*found.file)), expected, "{found:?}");
            if let Some((artefact, file)) = expected {
                lines.push((artefact, file, true));
            }
        }
        // Forward again by name; and what comes out of the folder anew is the newest.
        assert_eq!(chosen(&name, &history(&lines), Some("bbbb"), None).unwrap().artefact.0, "bbbb");
        lines.push(("aaaa", "", false));
        assert_eq!(chosen(&name, &history(&lines), None, None).unwrap().artefact.0, "bbbb");
    }

    #[test]
    fn a_digest_names_one_version_that_does_not_serve() {
        let name = PluginName::parse("inbox").unwrap();
        let history = history(&[("aaaa1", "", false), ("aaaa2", "", false), ("bbbb", "", false), ("bbbb", "x", false)]);
        assert_eq!(chosen(&name, &history, Some("aaaa1"), None).unwrap().artefact.0, "aaaa1");
        assert_eq!(chosen(&name, &history, Some("bbbb"), None).unwrap().file, "", "the other settings of the same component");
        for (digest, said) in [("aa", "at least 4"), ("aaaa", "several digests"), ("cccc", "no version with the digest cccc")] {
            let error = chosen(&name, &history, Some(digest), None).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(chosen(&name, &history[..1], Some("bbbb"), None).unwrap_err().contains("serves that version already"));
        assert!(chosen(&name, &[], None, None).unwrap_err().contains("nothing has served"));
    }
}
