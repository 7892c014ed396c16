//! The section of a shadow on its plugin's page.

use super::super::views::console::{ComparedHook, Differed, NotDone, Shadow};
use super::super::views::moment::Moment;
use crate::runtime::Version;

/// Nothing of a plugin whose answers count.
pub(super) fn section(version: &Version) -> Option<Shadow> {
    let findings = version.findings()?;
    let hooks = findings.hooks.iter().map(|(hook, tally)| ComparedHook {
        hook: hook.clone(),
        tally: tally.to_string(),
        differs: tally.different + tally.failed > 0,
    });
    let differences = findings.differences.iter().map(|difference| Differed {
        at: Moment(difference.at.as_second()),
        hook: difference.hook.clone(),
        about: difference.about.clone(),
        beside: difference.beside.clone(),
        enforced: difference.enforced.clone(),
        shadow: difference.shadow.clone(),
    });
    let withheld =
        findings.acts.iter().map(|act| NotDone { at: Moment(act.at.as_second()), hook: act.hook.clone(), what: act.what.clone() });
    Some(Shadow { does: version.does(), hooks: hooks.collect(), differences: differences.collect(), withheld: withheld.collect() })
}
