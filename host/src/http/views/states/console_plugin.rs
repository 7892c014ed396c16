//! The plugins the console's fixtures show.

use super::super::{
    console::{
        Artifact, Bar, Counted, Level, LogLine, Permission, Plugin, PluginDetail, PluginState, Problem, Said, Served, Standing, Swap,
        SwapKind,
    },
    moment::Moment,
};
use super::NOW_S;

fn artifact(version: &str, digest: &str) -> Artifact {
    Artifact { version: version.to_owned(), digest: digest.to_owned(), since: Moment(NOW_S - 900) }
}

fn problem(word: &str, line: &str, remedy: &str) -> Problem {
    Problem { word: word.to_owned(), line: line.to_owned(), remedy: Some(remedy.to_owned()) }
}

pub(super) fn inbox() -> Plugin {
    Plugin {
        name: "inbox".to_owned(),
        state: PluginState::Serving,
        serving: Some(artifact("2.0.0", "9c41")),
        channels: vec!["inbox".to_owned()],
        calls: 1_284,
        errors: 0,
        problem: None,
    }
}

pub(super) fn webhook() -> Plugin {
    Plugin {
        name: "webhook".to_owned(),
        serving: Some(artifact("0.1.0", "b07e")),
        channels: vec!["webhook".to_owned()],
        calls: 311,
        errors: 2,
        ..inbox()
    }
}

pub(super) fn refused() -> Plugin {
    Plugin {
        state: PluginState::Refused,
        problem: Some(problem(
            "contract-version",
            "exports ciba:interception/notify@0.2.0; this host speaks 0.1.x",
            "rebuild against this host's wit/, then `ciba-host plugin check inbox.wasm`",
        )),
        ..inbox()
    }
}

pub(super) fn refused_new() -> Plugin {
    Plugin {
        name: "sms".to_owned(),
        state: PluginState::Refused,
        serving: None,
        channels: vec![],
        calls: 0,
        problem: Some(problem("not-a-component", "this is a core module", "run `ciba-host plugin build`")),
        ..inbox()
    }
}

pub(super) fn blocked() -> Plugin {
    Plugin {
        state: PluginState::Blocked,
        serving: None,
        calls: 0,
        errors: 0,
        problem: Some(problem(
            "not-allowed",
            "it asks to call https://hooks.example.com, which is not allowed",
            "ciba-host plugin allow webhook --http https://hooks.example.com",
        )),
        ..webhook()
    }
}

pub(super) fn waiting() -> Plugin {
    Plugin { name: "sms".to_owned(), state: PluginState::Waiting, problem: None, ..refused_new() }
}

pub(super) fn off() -> Plugin {
    Plugin { state: PluginState::Off, serving: None, errors: 0, ..webhook() }
}

fn swap(minutes: i64, kind: SwapKind, version: &str, line: &str) -> Swap {
    Swap {
        at: Moment(NOW_S - minutes * 60),
        kind,
        version: Some(version.to_owned()),
        digest: Some("9c41".to_owned()),
        line: line.to_owned(),
        took_ms: (kind == SwapKind::Serving).then_some(212),
    }
}

fn served(minutes: i64, until: Option<i64>, version: &str, digest: &str, by: Option<&str>) -> Served {
    Served {
        artifact: Artifact { since: Moment(NOW_S - minutes * 60), ..artifact(version, digest) },
        until: until.map(|minutes| Moment(NOW_S - minutes * 60)),
        rolled_back_by: by.map(str::to_owned),
        settings: "{\"note\":\"We never phone you\"}".to_owned(),
        roll_back_to: until.filter(|_| digest != "9c41").map(|_| (digest.to_owned(), "2026-11-24T10:00:00Z".to_owned())),
    }
}

/// What its file says counts.
fn as_file() -> Standing {
    let said = |is: &str| Said { is: is.to_owned(), over: None };
    Standing { mode: said("enforce"), order: said("100") }
}

/// What an operator said counts.
fn over_file() -> Standing {
    let over = |file: &str| Some(("operator (console)".to_owned(), Moment(NOW_S - 3_600), Some(file.to_owned())));
    Standing { mode: Said { is: "off".to_owned(), over: over("enforce") }, order: Said { is: "-5".to_owned(), over: over("10") } }
}

/// So many calls in each bucket from the first, of 21.
fn counted(hook: &str, calls: &[u64], failures: &[(&str, u64)]) -> Counted {
    let bounds = ["5", "10", "20", "50", "100", "200", "500"];
    let units = ["µs", "ms", "s"];
    let took = |place: usize| match place {
        20 => "longer".to_owned(),
        19 => "to 10 s".to_owned(),
        18 => "to 5 s".to_owned(),
        place if place < 7 => format!("to {} {}", bounds[place], units[0]),
        place => format!("to {} {}", ["1", "2", "5", "10", "20", "50", "100", "200", "500"][(place - 7) % 9], units[1 + (place - 7) / 9]),
    };
    Counted {
        hook: hook.to_owned(),
        calls: calls.iter().sum(),
        failures: failures.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect(),
        parts: [(50, "at most 20 µs".to_owned()), (95, "at most 100 µs".to_owned()), (99, "more than 10 s".to_owned())],
        memory: "1.1 MiB".to_owned(),
        bars: (0..21).map(|place| Bar { took: took(place), calls: calls.get(place).copied().unwrap_or_default() }).collect(),
    }
}

fn line(seconds: i64, level: Level, line: &str) -> LogLine {
    LogLine { at: Moment(NOW_S - seconds), level, line: line.to_owned() }
}

pub(super) fn detail() -> PluginDetail {
    PluginDetail {
        plugin: inbox(),
        hooks: vec!["notify".to_owned(), "withdraw".to_owned()],
        standing: as_file(),
        counted: vec![
            counted(
                "notify",
                &[0, 4, 911, 204, 41, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
                &[("temporary", 3), ("time-limit", 2)],
            ),
            counted("withdraw", &[0, 98, 20], &[]),
        ],
        kept: Some("2 kept between calls, which hold 3.1 MiB".to_owned()),
        timeline: vec![
            swap(15, SwapKind::Serving, "2.0.0", "replaced 1.0.0 (3f9a); 2 calls finish on the old one"),
            swap(40, SwapKind::Stopped, "1.0.0", "the file was removed: nobody was told about requests"),
            swap(90, SwapKind::Serving, "1.0.0", "the first version"),
        ],
        versions: vec![
            served(15, None, "2.0.0", "9c41", None),
            served(40, Some(15), "1.0.0", "3f9a", Some("operator")),
            served(90, Some(40), "2.0.0", "9c41", None),
        ],
        rolled_back: Some("rolled back by operator: what lies in the folder is not taken before it changes".to_owned()),
        shadow: None,
        permissions: vec![],
        log: vec![
            line(60, Level::Debug, "one device, channel inbox"),
            line(59, Level::Info, "put into the inbox"),
            line(
                20,
                Level::Warning,
                "the device has not been seen for 3 days, and this line is long enough to need a second one on a phone",
            ),
        ],
    }
}

pub(super) fn refused_detail() -> PluginDetail {
    let mut detail = detail();
    detail.plugin = refused();
    let line = "exports ciba:interception/notify@0.2.0; this host speaks 0.1.x";
    detail.timeline.insert(0, Swap { digest: Some("77d0".to_owned()), ..swap(1, SwapKind::Refused, "3.0.0", line) });
    detail
}

pub(super) fn blocked_detail() -> PluginDetail {
    let permission = |what: &str, allowed, asked, refused_calls| Permission {
        what: what.to_owned(),
        allowed,
        asked,
        refused_calls,
        button: !matches!(what, "http *" | "links"),
        allow_command: Some(format!("ciba-host plugin allow webhook --{what}")),
    };
    PluginDetail {
        plugin: blocked(),
        hooks: vec!["notify".to_owned()],
        standing: as_file(),
        counted: vec![counted("notify", &[], &[("busy", 12)])],
        kept: None,
        timeline: vec![swap(3, SwapKind::Refused, "0.1.0", "it asks for what is not allowed")],
        versions: vec![],
        rolled_back: None,
        shadow: None,
        permissions: vec![
            permission("http *", false, true, 0),
            permission("http https://hooks.example.com", false, true, 3),
            permission("http https://hooks.harbour.example", true, true, 0),
            permission("http https://a-host-whose-name-is-as-long-as-it-may-be-and-then-some.harbour.example:8443", false, false, 1),
            permission("links", true, false, 0),
        ],
        log: vec![line(9, Level::Error, "refused: https://hooks.example.com is not allowed")],
    }
}

/// Turned off by command, with another order.
pub(super) fn off_detail() -> PluginDetail {
    let line = "turned off by operator (console); nobody is notified on the channel inbox any more";
    PluginDetail {
        plugin: Plugin {
            state: PluginState::Off,
            serving: None,
            problem: Some(Problem { remedy: None, ..problem("off", line, "") }),
            ..inbox()
        },
        standing: over_file(),
        ..detail()
    }
}

pub(super) fn quiet_detail() -> PluginDetail {
    PluginDetail {
        plugin: waiting(),
        hooks: vec![],
        standing: Standing { mode: Said { is: String::new(), over: None }, order: Said { is: String::new(), over: None } },
        counted: vec![],
        kept: None,
        timeline: vec![],
        versions: vec![],
        rolled_back: None,
        shadow: None,
        permissions: vec![],
        log: vec![],
    }
}
