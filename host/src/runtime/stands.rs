//! Whose turn it is: who is asked at a hook about a transaction, and whose answers are only compared.
//!
//! At each place in the operator's order stands one plugin, with those that are beside it: new versions that are asked in its
//! place about a share of all transactions, and shadows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::hooks::{Hook, Withdraw};
use super::version::Version;
use crate::protocol::plugin::{Mode, Permissions, PluginName};

/// A place in the operator's order.
#[derive(Default)]
pub(super) struct Stand {
    /// Whose place it is; nobody, where only others stand there.
    own: Option<Arc<Version>>,
    /// Those that are asked in its place, and whether they serve the hook: one that does not is nobody for its share.
    instead: Vec<(Arc<Version>, bool)>,
    shadows: Vec<Arc<Version>>,
}

/// Who is asked about one transaction, at one place.
#[derive(Clone, Default)]
pub struct Turn {
    /// Whose answer counts. Nobody's, where only shadows are asked.
    pub version: Option<Arc<Version>>,
    pub(super) shadows: Vec<Arc<Version>>,
}

impl Turn {
    /// What may be found out for it: what one of those that are asked may have. Each is given only its own.
    pub fn permissions(&self) -> Permissions {
        let asked = self.version.iter().chain(&self.shadows);
        asked.fold(Permissions::default(), |all, version| all.union(&version.shared.permissions()))
    }

    fn is_nobodys(&self) -> bool {
        self.version.is_none() && self.shadows.is_empty()
    }
}

impl Stand {
    pub(super) fn turn(&self, hundredth: u8) -> Turn {
        let is_in = |version: &&Arc<Version>| hundredth < version.file.share;
        let mut end = 0_u32;
        let instead = self.instead.iter().find(|(version, _)| {
            end += u32::from(version.file.share);
            u32::from(hundredth) < end
        });
        let version = match instead {
            Some((version, serves)) => Some(version).filter(|_| *serves),
            None => self.own.as_ref().filter(is_in),
        };
        Turn { version: version.cloned(), shadows: self.shadows.iter().filter(is_in).cloned().collect() }
    }

    fn is_empty(&self) -> bool {
        self.own.is_none() && self.shadows.is_empty() && !self.instead.iter().any(|(_, serves)| *serves)
    }
}

/// Which hundredth of all transactions this one is in: the same at every hook, after every restart, on every node.
fn hundredth(transaction: &str) -> u8 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, transaction.as_bytes());
    let number = digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    u8::try_from(number % 100).unwrap_or_default()
}

impl Version {
    /// Whether its answers count.
    pub fn is_enforced(&self) -> bool {
        self.file.mode == Mode::Enforce
    }

    /// Whether others can stand beside it.
    fn has_a_place(&self) -> bool {
        self.is_enforced() && self.file.beside.is_none()
    }

    fn notifies_on(&self, channel: &str) -> bool {
        self.callable.hooks.notify.is_some() && self.description.channels.iter().any(|served| served == channel)
    }

    /// Whether of both only one is asked about any transaction.
    pub(super) fn takes_turns_with(&self, other: &Self) -> bool {
        let beside = |one: &Self, other: &Self| one.file.beside.as_ref() == Some(&other.name);
        beside(self, other) || beside(other, self) || self.file.beside.is_some() && self.file.beside == other.file.beside
    }
}

impl Catalog {
    /// The places of those who serve a hook, in the operator's order. `serving` has that order.
    pub(super) fn stands<'a>(&'a self, serving: &[&'a Arc<Version>], serves: impl Fn(&Version) -> bool) -> Vec<Stand> {
        let mut stands: BTreeMap<(i32, &PluginName), Stand> = BTreeMap::new();
        for version in serving {
            let serves = serves(version);
            let enforced = version.is_enforced();
            // One that takes another's place does so at every hook, whether it serves it or not.
            let instead = enforced && version.file.beside.is_some();
            if !serves && !instead {
                continue;
            }
            let beside = version.file.beside.as_ref().and_then(|name| self.plugin(name)?.serving.as_ref());
            let place = beside.filter(|other| other.has_a_place()).unwrap_or(version);
            let stand = stands.entry((place.file.order, &place.name)).or_default();
            match (enforced, &version.file.beside) {
                (true, None) => stand.own = Some(Arc::clone(version)),
                (true, Some(_)) => stand.instead.push((Arc::clone(version), serves)),
                (false, _) => stand.shadows.push(Arc::clone(version)),
            }
        }
        stands.into_values().filter(|stand| !stand.is_empty()).collect()
    }

    /// Who is asked at this hook about a transaction, in the operator's order. Nobody, for the most part.
    pub fn turns<H: Hook>(&self, transaction: &str) -> Option<Vec<Turn>> {
        let stands = self.of_hook::<H>()?;
        let hundredth = hundredth(transaction);
        let turns: Vec<Turn> = stands.iter().map(|stand| stand.turn(hundredth)).filter(|turn| !turn.is_nobodys()).collect();
        (!turns.is_empty()).then_some(turns)
    }

    /// Who notifies on this channel about a transaction: the shadows of this channel are compared with whoever that is.
    pub fn turn_to_notify(&self, channel: &str, transaction: &str) -> Option<Turn> {
        let may_be = |version: &&Arc<Version>| version.notifies_on(channel) || version.is_enforced() && version.file.beside.is_some();
        let mut versions: Vec<_> = self.plugins().filter_map(|(_, plugin)| plugin.serving.as_ref()).filter(may_be).collect();
        versions.sort_by_key(|version| (version.file.order, &version.name));
        let hundredth = hundredth(transaction);
        let mut whole = Turn::default();
        for stand in self.stands(&versions, |version| version.notifies_on(channel)) {
            let turn = stand.turn(hundredth);
            whole.version = whole.version.or(turn.version);
            whole.shadows.extend(turn.shadows);
        }
        (!whole.is_nobodys()).then_some(whole)
    }

    /// Who takes back what the plugin of this name sent.
    pub fn turn_to_withdraw(&self, name: &PluginName, transaction: &str) -> Option<Turn> {
        let version = self.plugin(name)?.serving.clone().filter(|version| version.is_enforced() && version.can_withdraw())?;
        let turns = self.turns::<Withdraw>(transaction).unwrap_or_default();
        let of_it = |turn: &Turn| turn.version.as_ref().is_some_and(|turn| turn.name == *name);
        let shadows = turns.into_iter().find(of_it).map(|turn| turn.shadows).unwrap_or_default();
        Some(Turn { version: Some(version), shadows })
    }

    /// Whether a plugin notifies on this channel. There is at most one, and those that take its place.
    pub fn notifier(&self, channel: &str) -> Option<&Arc<Version>> {
        self.notifiers(channel).next()
    }

    pub(super) fn notifiers(&self, channel: &str) -> impl Iterator<Item = &Arc<Version>> {
        let serves = move |version: &&Arc<Version>| version.is_enforced() && version.notifies_on(channel);
        self.plugins().filter_map(|(_, plugin)| plugin.serving.as_ref()).filter(serves)
    }

    /// Whether this plugin is told of what happened to a transaction. Whoever has a place of its own is told of everything, also
    /// of the share of those beside it: each hears at its own pace, and what one had not heard yet when the other began would be
    /// heard by neither.
    pub fn hears<H: Hook>(&self, name: &PluginName, transaction: &str) -> bool {
        if self
            .plugin(name)
            .and_then(|plugin| plugin.serving.as_ref())
            .is_some_and(|version| version.has_a_place() && version.file.share == 100)
        {
            return true;
        }
        let turns = self.turns::<H>(transaction).unwrap_or_default();
        turns.iter().any(|turn| turn.version.iter().chain(&turn.shadows).any(|version| version.name == *name))
    }

    /// Every one that serves a hook, whether its answers count or not.
    pub fn all_of_hook<H: Hook>(&self) -> Vec<Arc<Version>> {
        let stands = self.of_hook::<H>().into_iter().flat_map(|stands| stands.iter());
        let of_stand = |stand: &Stand| {
            let instead = stand.instead.iter().filter(|(_, serves)| *serves).map(|(version, _)| version);
            stand.own.iter().chain(instead).chain(&stand.shadows).cloned().collect::<Vec<_>>()
        };
        stands.flat_map(of_stand).collect()
    }

    /// What is wrong with whom a version says it stands beside, in words.
    pub fn beside_nobody(&self, version: &Version) -> Option<String> {
        let beside = version.file.beside.as_ref()?;
        let what = match self.plugin(beside).and_then(|plugin| plugin.serving.as_ref()) {
            None => format!("nothing serves under the name {beside}"),
            Some(other) if !other.is_enforced() => format!("{beside} is a shadow"),
            Some(other) if other.file.beside.is_some() => format!("{beside} stands beside another one itself"),
            Some(_) => return None,
        };
        let so =
            if version.is_enforced() { "it is asked about its share, and nobody about the rest" } else { "it is compared with nobody" };
        Some(format!("beside = \"{beside}\", and {what}: {so}"))
    }

    /// Hooks that one serves in whose place this one is asked, and this one does not.
    pub fn unserved(&self, version: &Version) -> Vec<String> {
        let beside = version.file.beside.as_ref().and_then(|name| self.plugin(name)?.serving.as_ref());
        let lacks = |hook: &&String| !version.hooks.contains(hook);
        beside.map(|other| other.hooks.iter().filter(lacks).cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hundredth_has_about_as_many_transactions_and_each_is_always_in_the_same() {
        let mut counts = [0_u32; 100];
        for number in 0..20_000 {
            let transaction = format!("tx-{number}");
            counts[usize::from(hundredth(&transaction))] += 1;
        }
        assert!(counts.iter().all(|count| (120..=280).contains(count)), "{counts:?}");
        // Another number for one of them would move transactions that are under way.
        assert_eq!(["", "tx-0", "tx-1", "tx-2"].map(hundredth), [52, 39, 1, 9]);
    }
}
