//! Does what the request says, and writes down what came of it: `request_context` has a list of orders, each a list of
//! words. Whoever writes it has the plugin in their hands.

use std::cell::{Cell, RefCell};

use ciba_guest::bindings::ciba::interception::{credentials, secrets};
use ciba_guest::bindings::wasi::clocks::monotonic_clock;
use ciba_guest::bindings::wasi::http::types::{Fields, Method, OutgoingRequest, Scheme};
use ciba_guest::decisions::{self, Decision};
use ciba_guest::{
    Description, Device, Evidence, Need, Plugin, Problem, ReviewDecision, ReviewRequest, ScriptError, Secret, Transaction, http, log,
    review_decision, review_request, settings, storage,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Settings {
    /// Which orders it follows.
    name: String,
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    keys: Vec<Secret>,
    /// Whether its keys must be such that push services take.
    #[serde(default)]
    pushes: bool,
    /// Whether it decides for the person while their decision is reviewed.
    #[serde(default)]
    meddles: bool,
    /// What the secret must be, by its HMAC of nothing, in hexadecimal.
    #[serde(default)]
    expected: Option<String>,
}

const SCHEMA: &str = r#"{"properties": {"token": {"type": "string", "writeOnly": true}, "keys": {"type": "array", "writeOnly": true}}}"#;

#[derive(Deserialize)]
struct Orders {
    to: String,
    orders: Vec<Vec<Value>>,
}

/// What a call leaves behind for the next one in the same instance.
#[derive(Default)]
struct Memory {
    calls: Cell<u32>,
    devices: RefCell<Vec<Device>>,
}

thread_local! {
    static MEMORY: Memory = Memory::default();
}

struct Obedient;

impl Plugin for Obedient {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Does what the request says.").needs(Need::Storage).settings_schema(SCHEMA)
    }

    /// The host checks with a secret that it never shows.
    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        for key in settings.keys.iter().filter(|_| settings.pushes) {
            if let Err(refusal) = key.vapid("https://push.example", "mailto:ops@example.com") {
                return Err(vec![Problem::new(key.pointer(), format!("{refusal:?}"))]);
            }
        }
        let (Some(token), Some(expected)) = (&settings.token, &settings.expected) else { return Ok(()) };
        match (token.hmac_sha256(b""), token.reveal()) {
            (Ok(hmac), Err(_)) if hex(&hmac) == *expected => Ok(()),
            (hmac, revealed) => Err(vec![Problem::new(token.pointer(), format!("is {hmac:?}, {}", revealed.is_ok()))]),
        }
    }
}

impl ReviewRequest for Obedient {
    fn review(transaction: &Transaction, settings: Settings) -> Result<review_request::Verdict, ScriptError> {
        let context = transaction.request_context().unwrap_or_default();
        let Ok(Orders { to, orders }) = serde_json::from_str(&context) else { return Ok(review_request::Verdict::Ask(Vec::new())) };
        if to == settings.name {
            MEMORY.with(|memory| memory.calls.set(memory.calls.get() + 1));
            for order in orders {
                match order[0].as_str() {
                    Some("panic") => panic!("told to"),
                    Some("sees") => {
                        // Backwards: a test looks through the log for whatever was shown to the token endpoint.
                        log::info!("sees: {}", backwards(Ok(everything_of(transaction))));
                        continue;
                    }
                    Some("fail") => return Err(ScriptError::Other("told to".to_owned())),
                    Some("answer-other") => return Ok(review_request::Verdict::Other("told to".to_owned())),
                    Some("keep-devices") => {
                        let devices = transaction.devices()?;
                        MEMORY.with(|memory| memory.devices.borrow_mut().extend(devices));
                    }
                    _ => {}
                }
                log::info!("{}: {}", order[0].as_str().unwrap_or_default(), follow(&order));
            }
        }
        Ok(review_request::Verdict::Ask(Vec::new()))
    }
}

impl ReviewDecision for Obedient {
    fn review(
        transaction: &Transaction,
        settings: Settings,
        _: review_decision::Decision,
        _: &Evidence,
    ) -> Result<review_decision::Verdict, ScriptError> {
        if settings.meddles {
            let submitted = decisions::submit(&transaction.id(), &transaction.user_id().unwrap_or_default(), Decision::Approve);
            log::info!("in review: {submitted:?}");
        }
        Ok(review_decision::Verdict::Stand)
    }
}

fn everything_of(transaction: &Transaction) -> String {
    let devices = transaction.devices().unwrap_or_default();
    let devices: Vec<_> = devices.iter().map(|device| (device.id(), device.name(), device.channel(), device.address())).collect();
    let person = (transaction.user_id(), transaction.user_name(), transaction.locale(), devices);
    let client = (transaction.client_id(), transaction.client_name(), transaction.resources(), transaction.acr_values());
    let asked = (transaction.scopes(), transaction.scopes_in_words(), transaction.binding_message(), transaction.expires_at());
    let details = (transaction.authorization_details(), transaction.details_in_words(), transaction.device().is_some());
    format!("{} {person:?} {client:?} {asked:?} {details:?}", transaction.id())
}

fn follow(order: &[Value]) -> String {
    let text = |at: usize| order.get(at).and_then(Value::as_str).unwrap_or_default();
    match text(0) {
        "get" => {
            format!("{:?}", storage::get(text(1)).map(|found| found.map(|entry| (String::from_utf8(entry.value).unwrap(), entry.version))))
        }
        "set" => {
            // A number is a value of that length.
            let value = order[2].as_u64().map_or_else(|| text(2).as_bytes().to_vec(), |size| vec![b'x'; size as usize]);
            format!("{:?}", storage::set(text(1), &value, seconds(order.get(3)), condition(order.get(4))))
        }
        "delete" => format!("{:?}", storage::delete(text(1), condition(order.get(2)))),
        "keys" => format!("{:?}", storage::keys(text(1), order.get(2).and_then(Value::as_str))),
        "keys-count" => format!("{:?}", storage::keys(text(1), order.get(2).and_then(Value::as_str)).map(|keys| keys.len())),
        "fill" => {
            // As many keys of this size as fit, said once.
            let mut written = 0;
            let refusal = loop {
                match storage::set(
                    &format!("{}{written}", text(1)),
                    &vec![b'x'; order[2].as_u64().unwrap() as usize],
                    None,
                    condition(None),
                ) {
                    Ok(_) => written += 1,
                    Err(refusal) => break refusal,
                }
            };
            format!("{written}, then {refusal:?}")
        }
        "decide" => {
            let what = if text(3) == "approve" { Decision::Approve } else { Decision::Deny };
            format!("{:?}", decisions::submit(text(1), text(2), what))
        }
        "count" => MEMORY.with(|memory| memory.calls.get()).to_string(),
        "kept-devices" | "keep-devices" => MEMORY.with(|memory| {
            let names: Vec<_> = memory.devices.borrow().iter().map(|device| device.name()).collect();
            format!("{names:?}")
        }),
        "keep-memory" => {
            // As many MiB, for good.
            let mut kept = Vec::<u8>::new();
            let had = kept.try_reserve_exact((order[1].as_u64().unwrap() as usize) << 20);
            std::mem::forget(kept);
            if had.is_ok() { "had".to_owned() } else { "not had".to_owned() }
        }
        "until-refused" => {
            // As often as storage is given, and long enough for somebody to take it away.
            let mut given = 0;
            while storage::get(text(1)).is_ok() {
                given += 1;
                monotonic_clock::subscribe_duration(300_000_000).block();
            }
            format!("{} then {:?}", if given > 0 { "given," } else { "never given," }, storage::get(text(1)).unwrap_err())
        }
        "until-there" => {
            while storage::get(text(1)).is_ok_and(|found| found.is_none()) {
                monotonic_clock::subscribe_duration(300_000_000).block();
            }
            "there".to_owned()
        }
        "wait" => {
            monotonic_clock::subscribe_duration(60_000_000_000).block();
            String::new()
        }
        "fetch" => match http::get(text(1)).keep(16 << 20).send() {
            Ok(answer) => format!("{} to {:?}, {} bytes", answer.status, answer.header("location"), answer.body.len()),
            Err(error) => format!("failed: {error}"),
        },
        // Like `fetch`, with a header of its own.
        "fetch-with" => match http::get(text(1)).header(text(2), text(3)).send() {
            Ok(answer) => answer.status.to_string(),
            Err(error) => format!("failed: {error}"),
        },
        // With a request line that is not one line.
        "forge" => {
            let request = OutgoingRequest::new(Fields::new());
            let forged = "/ HTTP/1.1\r\nx-forged: 1\r\n\r\n";
            let taken = [
                request.set_method(&Method::Other(format!("GET {forged}"))),
                request.set_scheme(Some(&Scheme::Other("https\r\n".to_owned()))),
                request.set_authority(Some(&format!("{}{forged}", text(1)))),
                request.set_path_with_query(Some(forged)),
            ];
            format!("{taken:?}")
        }
        "say" => text(1).to_owned(),
        "settings" => settings::all(),
        "setting" => format!("{:?}", settings::get(text(1))),
        "hmac" => format!("{:?}", secrets::hmac_sha256(text(1), text(2).as_bytes()).map(|hmac| hex(&hmac))),
        "hmac-size" => {
            format!("{:?}", secrets::hmac_sha256(text(1), &vec![b'x'; order[2].as_u64().unwrap() as usize]).map(|hmac| hex(&hmac)))
        }
        "webhook-signature" => format!("{:?}", secrets::webhook_signature(text(1), text(2).as_bytes())),
        "reveal" => backwards(secrets::reveal(text(1))),
        "google" => {
            let scopes: Vec<String> = order[2].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap().to_owned()).collect();
            backwards(credentials::google(text(1), &scopes))
        }
        "apns" => backwards(credentials::apns(text(1), text(2), text(3))),
        "vapid" => backwards(credentials::vapid(text(1), text(2), text(3))),
        "vapid-in-clear" => format!("{:?}", credentials::vapid(text(1), text(2), text(3))),
        "quiet" => {
            // Many, of which only their number is said, and the last one.
            let said: Vec<String> = order[1].as_array().unwrap().iter().map(|order| follow(order.as_array().unwrap())).collect();
            let done = said.iter().filter(|said| said.starts_with("Ok")).count();
            format!("{done} of {}, then {}", said.len(), said.last().unwrap())
        }
        other => format!("cannot {other}"),
    }
}

/// The host knows it and would blank it.
fn backwards(secret: Result<String, ciba_guest::Refusal>) -> String {
    format!("{:?}", secret.map(|secret| secret.chars().rev().collect::<String>()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(word: Option<&Value>) -> Option<u32> {
    word.and_then(Value::as_u64).map(|seconds| seconds as u32)
}

/// `"absent"`, a version, or nothing.
fn condition(word: Option<&Value>) -> storage::Condition {
    match word {
        Some(Value::String(_)) => storage::Condition::Absent,
        Some(Value::Number(version)) => storage::Condition::Unchanged(version.as_u64().unwrap()),
        _ => storage::Condition::Always,
    }
}

ciba_guest::plugin!(Obedient: review_request, review_decision);
