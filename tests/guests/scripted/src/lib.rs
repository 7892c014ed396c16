//! Serves every hook that decides something, and answers what its settings say: for each hook a list of lines like
//! `refuse it is late`. Without a line for a hook it changes nothing. `fail`, `trap` and `slow` are known everywhere. A line
//! for `resolve-hint` may begin with `when` and a hint, and is for that one only.

use ciba_guest::bindings::wasi::clocks::monotonic_clock;
use ciba_guest::{
    Description, Event, Evidence, IssueTokens, Need, Observe, Plugin, RegisterClient, ResolveHint, ReviewDecision, ReviewRequest,
    ScriptError, ShapeIntrospection, Transaction, VerifyUserCode, issue_tokens, log, register_client, resolve_hint, review_decision,
    review_request, shape_introspection, verify_user_code,
};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Script {
    resolve_hint: Vec<String>,
    verify_user_code: Vec<String>,
    review_request: Vec<String>,
    review_decision: Vec<String>,
    issue_tokens: Vec<String>,
    shape_introspection: Vec<String>,
    register_client: Vec<String>,
    observe: Vec<String>,
}

struct Scripted;

impl Plugin for Scripted {
    type Settings = Script;

    fn describe() -> Description {
        ciba_guest::description!("Answers what it was told to.").needs(Need::Devices).settings_schema("true")
    }
}

/// Each line as its first word and the rest, after doing what every hook can do.
fn lines(script: &[String]) -> Result<Vec<(&str, &str)>, ScriptError> {
    let lines: Vec<(&str, &str)> = script.iter().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
    for (verb, rest) in &lines {
        match *verb {
            "fail" => return Err(ScriptError::Other(rest.to_string())),
            "trap" => panic!("told to"),
            "slow" => monotonic_clock::subscribe_duration(60_000_000_000).block(),
            _ => {}
        }
    }
    Ok(lines)
}

/// A name and a JSON value.
fn pair(rest: &str) -> (String, String) {
    let (name, json) = rest.split_once(' ').unwrap_or((rest, "true"));
    (name.to_owned(), json.to_owned())
}

impl ResolveHint for Scripted {
    fn resolve(
        transaction: &Transaction,
        script: Script,
        kind: resolve_hint::HintKind,
        hint: &str,
    ) -> Result<resolve_hint::Resolution, ScriptError> {
        use resolve_hint::{HintKind, Resolution};
        let kind = match kind {
            HintKind::LoginHint => "login-hint",
            HintKind::LoginHintToken => "login-hint-token",
            HintKind::Other(_) => "other",
        };
        log::info!(
            "resolve-hint: {kind} {hint}, {} of {:?} for {:?} with {:?}, {:?}",
            transaction.id(),
            transaction.client_id(),
            (transaction.user_id(), transaction.user_name()),
            transaction.authorization_details(),
            transaction.request_context(),
        );
        let here: Vec<String> = script
            .resolve_hint
            .iter()
            .filter_map(|line| match line.strip_prefix("when ").and_then(|rest| rest.split_once(' ')) {
                Some((only, then)) => (only == hint).then(|| then.to_owned()),
                None => Some(line.clone()),
            })
            .collect();
        Ok(match lines(&here)?.first() {
            Some(("person", who)) => Resolution::Person((*who).to_owned()),
            Some(("nobody", _)) => Resolution::Nobody,
            Some(("other", what)) => Resolution::Other((*what).to_owned()),
            _ => Resolution::NotMine,
        })
    }
}

impl VerifyUserCode for Scripted {
    fn verify(transaction: &Transaction, script: Script, code: &str) -> Result<verify_user_code::Verdict, ScriptError> {
        use verify_user_code::Verdict;
        log::info!("verify-user-code: of {:?}, {} characters", transaction.user_id(), code.chars().count());
        Ok(match lines(&script.verify_user_code)?.first() {
            Some(("repeat", how)) => {
                log::warn!("the code is {code}");
                match *how {
                    "trap" => panic!("the code is {code}"),
                    "other" => Verdict::Other(code.to_owned()),
                    _ => return Err(ScriptError::Temporary(format!("the code is {code}"))),
                }
            }
            Some(("right", right)) if code == *right => Verdict::Right,
            Some(("right", _) | ("wrong", _)) => Verdict::Wrong,
            Some(("other", what)) => Verdict::Other((*what).to_owned()),
            _ => Verdict::NotMine,
        })
    }
}

impl ReviewRequest for Scripted {
    fn review(transaction: &Transaction, script: Script) -> Result<review_request::Verdict, ScriptError> {
        use review_request::{Adjustment, Verdict};
        log::info!(
            "review-request: {:?} asks {:?} for {} with {:?}, {:?}, {:?}, {:?}; devices {:?}",
            transaction.client_id(),
            transaction.user_name(),
            transaction.scopes().join(" "),
            transaction.acr_values(),
            transaction.authorization_details(),
            transaction.request_context(),
            transaction.resources(),
            transaction.devices().map(|devices| devices.iter().map(|device| device.channel()).collect::<Vec<_>>()),
        );
        let mut adjustments = Vec::new();
        for (verb, rest) in lines(&script.review_request)? {
            match verb {
                "refuse" => return Ok(Verdict::Refuse(rest.to_owned())),
                "other" => return Ok(Verdict::Other(rest.to_owned())),
                "require-acr" => adjustments.push(Adjustment::RequireAcr(rest.to_owned())),
                "drop-scope" => adjustments.push(Adjustment::DropScope(rest.to_owned())),
                "expire-within" => adjustments.push(Adjustment::ExpireWithin(rest.parse().unwrap_or(0))),
                "note" => adjustments.push(Adjustment::Note(rest.to_owned())),
                "adjust-other" => adjustments.push(Adjustment::Other(rest.to_owned())),
                _ => {}
            }
        }
        Ok(Verdict::Ask(adjustments))
    }
}

impl ReviewDecision for Scripted {
    fn review(
        transaction: &Transaction,
        script: Script,
        answer: review_decision::Decision,
        evidence: &Evidence,
    ) -> Result<review_decision::Verdict, ScriptError> {
        use review_decision::{Decision, Verdict};
        let answer = match answer {
            Decision::Approve => "approve",
            Decision::Deny => "deny",
            Decision::Other(_) => "other",
        };
        log::info!(
            "review-decision: {:?} says {answer} on {:?} with {:?} {:?} at {}",
            transaction.user_id(),
            evidence.device_id(),
            evidence.acr(),
            evidence.amr(),
            evidence.at(),
        );
        Ok(match lines(&script.review_decision)?.first() {
            Some(("deny", why)) => Verdict::Deny((*why).to_owned()),
            Some(("ask-again", what)) => Verdict::AskAgain((*what).to_owned()),
            Some(("other", what)) => Verdict::Other((*what).to_owned()),
            _ => Verdict::Stand,
        })
    }
}

impl IssueTokens for Scripted {
    fn issue(transaction: &Transaction, script: Script, occasion: issue_tokens::Occasion) -> Result<issue_tokens::Verdict, ScriptError> {
        use issue_tokens::{Change, Occasion, Verdict};
        let occasion = match occasion {
            Occasion::Redeem => "redeem",
            Occasion::Push => "push",
            Occasion::Refresh => "refresh",
            Occasion::Other(_) => "other",
        };
        log::info!("issue-tokens: {occasion} for {:?}", transaction.user_id());
        // A line for one occasion only begins with its name: `on-refresh refuse …`.
        let now = script.issue_tokens.iter().filter_map(|line| match line.strip_prefix("on-") {
            Some(line) => line.strip_prefix(occasion).map(|line| line.trim_start().to_owned()),
            None => Some(line.clone()),
        });
        let mut changes = Vec::new();
        for (verb, rest) in lines(&now.collect::<Vec<_>>())? {
            match verb {
                "refuse" => return Ok(Verdict::Refuse(rest.to_owned())),
                "other" => return Ok(Verdict::Other(rest.to_owned())),
                "id-token" => changes.push(Change::IdToken(pair(rest))),
                "access-token" => changes.push(Change::AccessToken(pair(rest))),
                "access-token-within" => changes.push(Change::AccessTokenWithin(rest.parse().unwrap_or(0))),
                "no-refresh-token" => changes.push(Change::NoRefreshToken),
                _ => {}
            }
        }
        Ok(Verdict::Issue(changes))
    }
}

impl ShapeIntrospection for Scripted {
    fn shape(_: &Transaction, script: Script, caller: &str, members: &str) -> Result<shape_introspection::Verdict, ScriptError> {
        use shape_introspection::{Change, Verdict};
        log::info!("shape-introspection: for {caller}: {members}");
        let mut changes = Vec::new();
        for (verb, rest) in lines(&script.shape_introspection)? {
            match verb {
                "inactive" => return Ok(Verdict::Inactive),
                "other" => return Ok(Verdict::Other(rest.to_owned())),
                "set" => changes.push(Change::Set(pair(rest))),
                "remove" => changes.push(Change::Remove(rest.to_owned())),
                _ => {}
            }
        }
        Ok(Verdict::Answer(changes))
    }
}

impl RegisterClient for Scripted {
    fn review(script: Script, occasion: register_client::Occasion, metadata: &str) -> Result<register_client::Verdict, ScriptError> {
        use register_client::{Change, Occasion, Verdict};
        let occasion = match occasion {
            Occasion::Create => "create".to_owned(),
            Occasion::Update(id) => format!("update of {id}"),
            Occasion::Other(_) => "other".to_owned(),
        };
        log::info!("register-client: {occasion} {metadata}");
        let mut changes = Vec::new();
        for (verb, rest) in lines(&script.register_client)? {
            match verb {
                "refuse" => return Ok(Verdict::Refuse(rest.to_owned())),
                "other" => return Ok(Verdict::Other(rest.to_owned())),
                "set" => changes.push(Change::Set(pair(rest))),
                "remove" => changes.push(Change::Remove(rest.to_owned())),
                _ => {}
            }
        }
        Ok(Verdict::Register(changes))
    }
}

impl Observe for Scripted {
    fn observe(script: Script, event: &Event) -> Result<(), ScriptError> {
        log::info!("observe: {} {} of {} by {}", event.id(), event.kind(), event.transaction_id(), event.client_id());
        lines(&script.observe).map(drop)
    }
}

ciba_guest::plugin!(
    Scripted: resolve_hint, verify_user_code, review_request, review_decision, issue_tokens, shape_introspection, register_client, observe
);
