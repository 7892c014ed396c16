//! The console: the list of plugins, the requests, and the ways in.

use super::super::{
    Script,
    console::{Audit, AuditLine, Body, Clients, Conformance, Keys, Overview, Page, Plugin, RequestRow, RequestState, Requests, SignIn},
    moment::Moment,
    text::Locale,
};
use super::{
    Area, EXPIRES_S, NOW_S, State,
    console_client::{clients, hook_caller, plain, strict},
    console_key::keys,
    console_plugin::{
        blocked, blocked_detail, detail, inbox, off, off_detail, quiet_detail, refused, refused_detail, refused_new, waiting, webhook,
    },
    console_shadow::shadow_detail,
};

const fn console(name: &'static str, title: &'static str, draw: fn(Locale) -> String) -> State {
    State { name, area: Area::Console, title, draw }
}

pub(super) const STATES: &[State] = &[
    console("console-sign-in", "Sign in", |_| page(Body::SignIn(SignIn::NoLink))),
    console("console-sign-in-used", "The link was used", |_| page(Body::SignIn(SignIn::LinkUsed))),
    console("console-serving", "All plugins serving", |_| overview(vec![inbox(), webhook()])),
    console("console-refused", "A file refused, last good serving", |_| overview(vec![refused(), webhook()])),
    console("console-refused-new", "A file refused, nothing before it", |_| overview(vec![inbox(), refused_new()])),
    console("console-blocked", "Blocked until allowed", |_| overview(vec![inbox(), blocked()])),
    console("console-waiting", "A file still arriving", |_| overview(vec![inbox(), waiting()])),
    console("console-off", "One switched off", |_| overview(vec![inbox(), off()])),
    console("console-nothing", "No plugins", |_| overview(vec![])),
    console("console-plugin", "One plugin", |_| page(Body::Plugin(Box::new(detail())))),
    console("console-plugin-refused", "One plugin, refused", |_| page(Body::Plugin(Box::new(refused_detail())))),
    console("console-plugin-blocked", "One plugin, blocked", |_| page(Body::Plugin(Box::new(blocked_detail())))),
    console("console-plugin-shadow", "One plugin, a shadow", |_| page(Body::Plugin(Box::new(shadow_detail())))),
    console("console-plugin-quiet", "One plugin, nothing to tell", |_| page(Body::Plugin(Box::new(quiet_detail())))),
    console("console-plugin-off", "One plugin, turned off here", |_| page(Body::Plugin(Box::new(off_detail())))),
    console("console-not-done", "What was wanted was not done", |_| {
        let why = "[channel-taken]: it serves the channel `inbox`, which other serves already.  do: remove other.wasm";
        page(Body::NotDone { name: "inbox".to_owned(), why: why.to_owned() })
    }),
    console("console-no-such-plugin", "No such plugin", |_| page(Body::NoSuchPlugin { name: "sms".to_owned() })),
    console("console-requests", "Requests", |_| page(Body::Requests(requests()))),
    console("console-requests-empty", "No requests", |_| page(Body::Requests(Requests { requests: vec![], cut: false }))),
    console("console-clients", "Clients", |_| page(Body::Clients(Clients { clients: clients() }))),
    console("console-clients-empty", "No clients", |_| page(Body::Clients(Clients { clients: vec![] }))),
    console("console-client", "One client, of a FAPI profile", |_| page(Body::Client(Box::new(strict())))),
    console("console-client-plain", "One client, of the demo", |_| page(Body::Client(Box::new(plain())))),
    console("console-client-hooks", "One client, another provider", |_| page(Body::Client(Box::new(hook_caller())))),
    console("console-no-such-client", "No such client", |_| page(Body::NoSuchClient { id: "https://gone.example/c".to_owned() })),
    console("console-keys", "Keys", |_| page(Body::Keys(Keys { keys: keys() }))),
    console("console-keys-none", "No key yet", |_| page(Body::Keys(Keys { keys: vec![] }))),
    console("console-audit", "Audit log", |_| page(Body::Audit(audit(None)))),
    console("console-audit-nothing", "Audit log, nothing found", |_| {
        page(Body::Audit(Audit { entries: vec![], ..audit(Some("no such word")) }))
    }),
    console("console-conformance", "Conformance mode", |_| conformance(Body::Overview(overview_of(vec![inbox()])))),
    console("console-conformance-requests", "Conformance mode, requests", |_| conformance(Body::Requests(requests()))),
    console("console-conformance-sign-in", "Conformance mode, signed out", |_| conformance(Body::SignIn(SignIn::NoLink))),
    console("console-away", "Server away", |_| Page { away: true, ..filled(Body::Requests(requests())) }.render()),
    console("console-trouble", "Something went wrong", |_| page(Body::Trouble)),
    console("console-not-encrypted", "Served without TLS", |_| {
        let body = Body::Overview(overview_of(vec![inbox()]));
        Page { not_encrypted: true, ..filled(body) }.render()
    }),
];

fn filled(body: Body) -> Page {
    Page { script: Script::Fixture, not_encrypted: false, away: false, conformance: None, body }
}

fn conformance(body: Body) -> String {
    let words = |list: &[&str]| list.iter().copied().map(str::to_owned).collect();
    let conformance = Conformance {
        clients: words(&["fapi-ciba-1", "fapi-ciba-2", "https://suite.example/clients/0b5c8f5e-7f0f-4d0b-9a53-5f6f1c2d7e11"]),
        registered_clients: true,
        relaxed: words(&["requests of one client for one person: 1,000 a minute, not 5", "registrations from one address: not limited"]),
        private_origins: words(&["https://localhost.emobix.co.uk:8443"]),
    };
    Page { conformance: Some(conformance), ..filled(body) }.render()
}

fn page(body: Body) -> String {
    filled(body).render()
}

fn overview(plugins: Vec<Plugin>) -> String {
    page(Body::Overview(overview_of(plugins)))
}

fn overview_of(plugins: Vec<Plugin>) -> Overview {
    Overview { plugins, plugins_folder: "data/plugins".to_owned(), pid: 41_207, started_at: Moment(NOW_S - 184) }
}

fn audit(word: Option<&str>) -> Audit {
    let line = |ago: i64, who: &str, what: &str, about: &str| AuditLine {
        at: Moment(NOW_S - ago),
        who: who.to_owned(),
        what: what.to_owned(),
        about: about.to_owned(),
    };
    let digest = "9c41f0a7d25be1c8830a6de9127f54bb1e0d3c9a7762f8e4b5d1a09c3e7f6a21";
    Audit {
        entries: vec![
            line(20, "operator (console)", "plugin set", "inbox set to mode off, order -5"),
            line(90, "operator", "plugin allow", "webhook --http https://hooks.example.com"),
            line(900, "file", "plugin serving", &format!("inbox 2.0.0 {digest}")),
            line(5_400, "file", "plugin refused", "sms [not-a-component]: this is a core module"),
        ],
        word: word.map(str::to_owned),
        cut: true,
    }
}

fn requests() -> Requests {
    let row = |transaction: &str, ago: i64, state, (mode, binding), notified: &[&str]| RequestRow {
        transaction: transaction.to_owned(),
        client: "fern".to_owned(),
        mode,
        binding,
        state,
        started_at: Moment(NOW_S - ago),
        expires_at: Moment(EXPIRES_S - ago),
        notified: notified.iter().copied().map(str::to_owned).collect(),
    };
    let inbox = &["inbox 0.1.0, 14 µs"][..];
    let both = &["inbox 0.1.0, 12 µs", "webhook 0.1.0, retry in 5 s"][..];
    Requests {
        requests: vec![
            row("tx_4f0c81d2", 18, RequestState::Pending, ("poll", None), inbox),
            row("tx_77ab0c31", 31, RequestState::Superseded, ("poll", None), inbox),
            row("tx_1b77e930", 75, RequestState::Redeemed, ("ping", Some("certificate")), both),
            row("tx_c04a5e1f", 160, RequestState::Denied, ("push", Some("DPoP")), inbox),
            row("tx_93be0d44", 400, RequestState::Expired, ("poll", None), &[]),
            row("tx_0aa1f6c7", 420, RequestState::Approved, ("ping", None), inbox),
        ],
        cut: true,
    }
}
