//! The keys the console's fixtures show.

use super::super::{
    console::{Key, KeyState, NextChange},
    moment::Moment,
};
use super::NOW_S;

const DAY: i64 = 24 * 3600;

pub(super) fn keys() -> Vec<Key> {
    let key = |alg, kid: &str, state, days: i64, next: Option<(&'static str, i64)>| Key {
        alg,
        kid: kid.to_owned(),
        state,
        since: Moment(NOW_S - days * DAY),
        imported: false,
        next: next.map(|(what, seconds)| NextChange { what, at: Moment(NOW_S + seconds) }),
    };
    vec![
        key("ES256", "VT3wm-Czvh3fzHp_233s5-XlalhY2FfJldJCtFgldRM", KeyState::Active, 90, Some(("is replaced", 420))),
        key("ES256", "0hWBa3Q7c2eS3nlK0pJr6T5m8kWqXyZbVdEfGhIjKlM", KeyState::Next, 0, Some(("signs", 420))),
        key("ES256", "sEuYn2o8xYtR4wQ1zXcVbNmAsDfGhJkLpOiUyTrEwQ0", KeyState::Retired, 90, Some(("is forgotten", 12 * DAY))),
        key("PS256", "04aDNbthpn5szYmIKw5lWObeFDp1CFuj7OSBOEdovcs", KeyState::Active, 12, Some(("gets a successor", 78 * DAY))),
        Key { imported: true, ..key("RS256", "pQrStUvWxYz0123456789-AbCdEfGhIjKlMnOpQrStU", KeyState::Active, 300, None) },
        key("EdDSA", "nAq8rT6yUiOpAsDfGhJkLzXcVbNmQwErTyUiOpAsDfG", KeyState::Active, 12, None),
    ]
}
