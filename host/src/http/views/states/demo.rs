//! The demo page, from the till to the receipt.

use serde_json::{Value, json};

use super::super::{
    Script, Secret,
    demo::{Claim, Mishap, Notified, Page, Run, RunState, Shown, Started, Status, Step},
};
use super::{
    Area, EXPIRES_S, NOW_MS, State,
    demo_status::{inbox, refused, status, swapped},
};

const fn demo(name: &'static str, title: &'static str, draw: fn(super::super::text::Locale) -> String) -> State {
    State { name, area: Area::Demo, title, draw }
}

pub(super) const STATES: &[State] = &[
    demo("demo-idle", "Idle", |_| page(None, status())),
    demo("demo-waiting", "Waiting, Alice was notified", |_| page(Some(run(RunState::Waiting)), status())),
    demo("demo-not-notified", "Waiting, nobody was notified", |_| {
        let sentence = "Alice was not notified: no notify plugin is serving".to_owned();
        let run = Run { notified: None, not_notified: Some(sentence), ..run(RunState::NotNotified) };
        page(Some(run), Status { plugins: vec![], ..status() })
    }),
    demo("demo-approved", "Approved, with claims", |_| {
        let run = Run {
            claims: Some(claims()),
            known: Claim::known(&claims()),
            id_token: Some(Secret(id_token())),
            steps: steps(),
            ..run(RunState::Approved)
        };
        page(Some(run), status())
    }),
    demo("demo-denied", "Denied", |_| page(Some(run(RunState::Denied)), status())),
    demo("demo-expired", "Expired", |_| page(Some(run(RunState::Expired)), status())),
    demo("demo-superseded", "A newer request took its place", |_| page(Some(run(RunState::Superseded)), status())),
    demo("demo-away", "Server away", |_| {
        let page = filled(Some(run(RunState::Waiting)), status());
        Page { mishap: Some(Mishap::Away), ..page }.render()
    }),
    demo("demo-not-started", "The payment could not start", |_| {
        let sentence = "The provider is busy. Try again in a few seconds.".to_owned();
        Page { mishap: Some(Mishap::NotStarted(sentence)), ..filled(None, status()) }.render()
    }),
    demo("demo-traffic", "20 a second", |_| page(None, busy(vec![inbox()]))),
    demo("demo-swapped", "The plugin was replaced", |_| page(None, busy(vec![swapped()]))),
    demo("demo-refused", "A file was refused", |_| page(None, busy(vec![refused()]))),
    demo("demo-not-encrypted", "Served without TLS", |_| Page { not_encrypted: true, ..filled(None, status()) }.render()),
];

fn filled(run: Option<Run>, status: Status) -> Page {
    Page {
        script: Script::Fixture,
        now_ms: NOW_MS,
        not_encrypted: false,
        mishap: None,
        user_name: "Alice".to_owned(),
        samples_folder: "data/samples".to_owned(),
        plugins_folder: "data/plugins".to_owned(),
        status,
        shown: run.map(|run| Shown { started: started(), run }),
    }
}

fn page(run: Option<Run>, status: Status) -> String {
    filled(run, status).render()
}

fn busy(plugins: Vec<super::super::demo::PluginStatus>) -> Status {
    Status { started: 1_284, finished: 1_271, traffic: true, plugins, ..status() }
}

fn started() -> Started {
    Started {
        run: "example".to_owned(),
        expires_in: 120,
        binding_message: "Pay 42.50, code K7QP".to_owned(),
        curl: Secret("curl …".to_owned()),
    }
}

fn run(state: RunState) -> Run {
    Run {
        state,
        notified: Some(Notified { plugin: "inbox".to_owned(), version: "0.1.0".to_owned(), micros: 14 }),
        not_notified: None,
        expires_at_ms: EXPIRES_S * 1000,
        now_ms: NOW_MS,
        claims: None,
        known: vec![],
        id_token: None,
        steps: steps().into_iter().take(1).collect(),
    }
}

fn claims() -> Value {
    json!({
        "iss": "http://127.0.0.1:8080",
        "sub": "usr_7d1f0c52",
        "aud": "fern",
        "exp": 1_795_446_078,
        "iat": 1_795_442_478,
        "auth_time": 1_795_442_470,
        "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
    })
}

fn id_token() -> String {
    format!("{}.{}.{}", "eyJhbGciOiJFUzI1NiJ9", "eyJzdWIiOiJleGFtcGxlIn0".repeat(8), "c2lnbmF0dXJl".repeat(7))
}

fn steps() -> Vec<Step> {
    let step = |title: &str, curl: &str, answer: &str| Step {
        title: title.to_owned(),
        curl: Secret(curl.to_owned()),
        answer: Secret(answer.to_owned()),
    };
    vec![
        step(
            "The shop asks",
            "curl -u demo:demo-secret http://127.0.0.1:8080/bc-authorize \\\n  --data-urlencode 'scope=openid' \\\n  --data-urlencode 'login_hint=alice' \\\n  --data-urlencode 'binding_message=Pay 42.50, code K7QP'",
            "{\n  \"auth_req_id\": \"example\",\n  \"expires_in\": 120,\n  \"interval\": 5\n}",
        ),
        step(
            "The shop asks for the tokens",
            "curl -u demo:demo-secret http://127.0.0.1:8080/token \\\n  --data-urlencode 'grant_type=urn:openid:params:grant-type:ciba' \\\n  --data-urlencode 'auth_req_id=YOURS'",
            "{\n  \"token_type\": \"Bearer\",\n  \"id_token\": \"eyJ…\"\n}",
        ),
    ]
}
