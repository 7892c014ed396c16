//! `/demo/states`: a fixture of every state a person can see, through the templates the real pages use.
//!
//! A browser test walks [`all`]; what is not here is not tested, so a new state starts here.

mod console;
mod console_client;
mod console_key;
mod console_plugin;
mod console_shadow;
mod demo;
mod demo_status;
mod device;
mod device_cards;

use askama::Template;

use super::{html, text::Locale};

/// When the fixtures were "taken": 2026-11-23 14:01:18 UTC, 102 seconds before their requests expire.
const NOW_S: i64 = 1_795_442_478;
const NOW_MS: i64 = NOW_S * 1000;
const EXPIRES_S: i64 = NOW_S + 102;

/// One state.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// The last part of its address.
    pub name: &'static str,
    pub area: Area,
    /// What the person sees, in a few words.
    pub title: &'static str,
    draw: fn(Locale) -> String,
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    Phone,
    Demo,
    Console,
}

impl State {
    /// The page. Only the phone speaks more than one language; the demo page and the console are English.
    #[must_use]
    pub fn render(&self, locale: Locale) -> String {
        (self.draw)(locale)
    }
}

impl Area {
    const ALL: [Self; 3] = [Self::Phone, Self::Demo, Self::Console];

    fn heading(self) -> &'static str {
        match self {
            Self::Phone => "The phone",
            Self::Demo => "The demo page",
            Self::Console => "The console",
        }
    }

    fn speaks_arabic(self) -> bool {
        self == Self::Phone
    }
}

/// Every state, in the order of the index.
#[must_use]
pub fn all() -> Vec<State> {
    [device::STATES, demo::STATES, console::STATES].concat()
}

/// The state of this name.
#[must_use]
pub fn find(name: &str) -> Option<State> {
    all().into_iter().find(|state| state.name == name)
}

/// The page that lists them.
#[must_use]
pub fn index() -> String {
    let states = all();
    let group = |area: Area| {
        let states = states.iter().filter(|state| state.area == area).copied().collect();
        (area, states)
    };
    html(&IndexTemplate { groups: Area::ALL.map(group).into() })
}

#[derive(Template)]
#[template(path = "states/index.html")]
struct IndexTemplate {
    groups: Vec<(Area, Vec<State>)>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::assets;
    use super::*;

    #[test]
    fn every_state_has_a_name_of_its_own_and_a_page() {
        let mut names = HashSet::new();
        for state in all() {
            assert!(names.insert(state.name), "two states are called {}", state.name);
            for locale in Locale::ALL {
                let page = state.render(locale);
                assert!(page.starts_with("<!doctype html>"), "{}", state.name);
                assert!(page.contains("</html>"), "{}", state.name);
                for reference in page.split("/static/").skip(1) {
                    let file = reference.split('"').next().unwrap_or_default();
                    assert!(assets::find(file).is_some(), "{} wants {file}", state.name);
                }
                // Without a referrer browsers post forms from nowhere, and what comes from nowhere is refused.
                for forbidden in [" style=", "<script>", "javascript:", " onclick=", "no-referrer"] {
                    assert!(!page.contains(forbidden), "{} has {forbidden}", state.name);
                }
            }
        }
    }

    #[test]
    fn a_fixture_names_its_direction() {
        let state = find("one").map(|state| state.render(Locale::Arabic)).unwrap_or_default();
        assert!(state.contains("<html lang=\"ar\" dir=\"rtl\">"));
        assert!(state.contains("<bdi dir=\"auto\">Fern &amp; Co</bdi>"));
    }
}
