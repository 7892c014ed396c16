//! The plugin whose answers are only compared that the console's fixtures show.

use super::super::{
    console::{ComparedHook, Differed, NotDone, Plugin, PluginDetail, PluginState, Shadow},
    moment::Moment,
};
use super::NOW_S;
use super::console_plugin::{detail, inbox};

fn hook(hook: &str, tally: &str, differs: bool) -> ComparedHook {
    ComparedHook { hook: hook.to_owned(), tally: tally.to_owned(), differs }
}

pub(super) fn shadow_detail() -> PluginDetail {
    let difference = |seconds, beside: Option<&str>, enforced: &str, shadow: &str| Differed {
        at: Moment(NOW_S - seconds),
        hook: "review-request".to_owned(),
        about: Some("AaIOdv0RrWa1WA3hG3gIOQ".to_owned()),
        beside: beside.map(str::to_owned),
        enforced: enforced.to_owned(),
        shadow: shadow.to_owned(),
    };
    let shadow = Shadow {
        does: "a shadow beside review".to_owned(),
        hooks: vec![
            hook("issue-tokens", "311 the same, 0 different, 0 failed, 0 not comparable", false),
            hook("review-request", "1282 the same, 2 different, 0 failed, 14 not comparable", true),
        ],
        differences: vec![
            difference(40, Some("review 1.0.0 (3f9a)"), "ask", "refuse (outside of working hours)"),
            difference(90, None, "ask", "ask: note (…); require-acr urn:example:passkey"),
        ],
        withheld: vec![NotDone {
            at: Moment(NOW_S - 60),
            hook: "review-request".to_owned(),
            what: "POST to https://directory.example.com".to_owned(),
        }],
    };
    let plugin = Plugin { name: "review-next".to_owned(), state: PluginState::Shadow, channels: vec![], ..inbox() };
    PluginDetail { plugin, shadow: Some(shadow), rolled_back: None, ..detail() }
}
