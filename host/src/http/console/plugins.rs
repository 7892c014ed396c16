//! One plugin, and what the operator does to it here: the same that the command line does, by the same way.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{failed, page, plugin_card, sentence, shadow, short, signed_in};
use crate::flow::operator::{Command, NotDone, PluginReport, Said as SaidOf, VersionView};
use crate::http::App;
use crate::http::answer::Refusal;
use crate::http::body::FormBody;
use crate::http::views::console::{
    Artifact, Bar, Body, Counted, Level, LogLine as LogLineView, Permission, PluginDetail, Said, Served, Standing, Swap, SwapKind,
};
use crate::http::views::moment::Moment;
use crate::protocol::amount;
use crate::protocol::plugin::{Mode, Permissions, PluginName};
use crate::runtime::{Event as CatalogEvent, EventKind, HookTally, LogLevel, LogLine};

/// The longest value of a form here: an origin with its name before it.
const VALUE_MAX: usize = 400;

/// `GET /plugins/{name}`: one plugin, with its history and its log.
pub(in crate::http) async fn plugin(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if !signed_in(&app, &headers) {
        return Redirect::to("/").into_response();
    }
    let Ok(parsed) = PluginName::parse(&name) else { return page(&app, StatusCode::NOT_FOUND, Body::NoSuchPlugin { name }) };
    let report = match app.operator.plugin_report(&parsed).await {
        Ok(report) => report,
        Err(NotDone::Asked(_)) => return page(&app, StatusCode::NOT_FOUND, Body::NoSuchPlugin { name }),
        Err(error) => return failed(&app, &error.to_string()),
    };
    let view = &report.plugin;
    let body = PluginDetail {
        plugin: plugin_card(view),
        hooks: view.hooks.clone(),
        standing: Standing {
            mode: said(&view.said.mode, |mode| mode.as_str().to_owned()),
            order: said(&view.said.order, |order| order.to_string()),
        },
        counted: report.hooks_called.iter().map(counted).collect(),
        kept: report.kept.map(|kept| format!("{} kept between calls, which hold {}", kept.instances, amount::bytes(kept.bytes as u64))),
        timeline: view.events.iter().rev().map(swap).collect(),
        versions: versions(&report.versions),
        rolled_back: view.rolled_back.clone(),
        shadow: app.flow.runtime.catalog().plugin(&parsed).and_then(|plugin| shadow::section(plugin.serving.as_ref()?)),
        permissions: permissions(&report, &app.flow.runtime.allowed_by_command(&parsed)),
        log: app.flow.runtime.shared_of(&parsed).lines().iter().map(log_line).collect(),
    };
    page(&app, StatusCode::OK, Body::Plugin(Box::new(body)))
}

/// `POST /plugins/{name}/set`: mode, order, or that its file counts again.
pub(in crate::http) async fn set(State(app): State<App>, Path(name): Path<String>, body: FormBody) -> Result<Response, Refusal> {
    let form = &body.form;
    let mode = form.bounded("mode", VALUE_MAX)?.map(|word| Mode::parse(word).ok_or_else(|| format!("`{word}` is no mode")));
    let order = form.bounded("order", VALUE_MAX)?.map(|number| {
        let expected = || format!("`{number}` is no place in an order: write a whole number between {} and {}", i32::MIN, i32::MAX);
        number.trim().parse().map_err(|_| expected())
    });
    let as_file = form.bounded("as_file", VALUE_MAX)?.is_some();
    Ok(act(&app, &body.headers, name, |name| Ok(Command::PluginSet { name, mode: mode.transpose()?, order: order.transpose()?, as_file }))
        .await)
}

/// `POST /plugins/{name}/allow`: one permission, or that it is taken back.
pub(in crate::http) async fn allow(State(app): State<App>, Path(name): Path<String>, body: FormBody) -> Result<Response, Refusal> {
    let what = body.form.required("permission", VALUE_MAX)?;
    let revoke = body.form.bounded("revoke", VALUE_MAX)?.is_some();
    let permissions = Permissions::named(what).ok_or_else(|| format!("`{what}` cannot be allowed"));
    Ok(act(&app, &body.headers, name, |name| Ok(Command::PluginAllow { name, permissions: permissions?, revoke })).await)
}

/// `POST /plugins/{name}/rollback`: an earlier version, by its digest and when it began to serve.
pub(in crate::http) async fn roll_back(State(app): State<App>, Path(name): Path<String>, body: FormBody) -> Result<Response, Refusal> {
    let to = body.form.required("to", VALUE_MAX)?.to_owned();
    let since = body.form.bounded("since", VALUE_MAX)?.map(|time| time.parse().map_err(|_| format!("`{time}` is no time")));
    Ok(act(&app, &body.headers, name, |name| Ok(Command::PluginRollback { name, to: Some(to), since: since.transpose()? })).await)
}

/// Does what whoever signed in wants, and leads back to the plugin's page.
async fn act(app: &App, headers: &HeaderMap, name: String, command: impl FnOnce(PluginName) -> Result<Command, String>) -> Response {
    if !signed_in(app, headers) {
        return Redirect::to("/").into_response();
    }
    let Ok(parsed) = PluginName::parse(&name) else { return page(app, StatusCode::NOT_FOUND, Body::NoSuchPlugin { name }) };
    let done = match command(parsed) {
        Ok(command) => app.operator.at_the_console().execute(command).await,
        Err(why) => Err(NotDone::Asked(why)),
    };
    match done {
        // What a name may be needs no quoting.
        Ok(_) => Redirect::to(&format!("/plugins/{name}")).into_response(),
        Err(NotDone::Asked(why)) => page(app, StatusCode::CONFLICT, Body::NotDone { name, why }),
        Err(error) => failed(app, &error.to_string()),
    }
}

fn said<T: Copy>(said: &SaidOf<T>, word: impl Fn(T) -> String) -> Said {
    let over = said.by.as_ref().zip(said.at).map(|(who, at)| (who.clone(), Moment(at.as_second()), said.file.map(&word)));
    Said { is: said.is.map(&word).unwrap_or_default(), over }
}

fn counted(hook: &HookTally) -> Counted {
    let part = |micros: Option<u64>| match micros {
        Some(micros) => format!("at most {}", amount::micros(micros)),
        None if hook.calls == 0 => "no call yet".to_owned(),
        None => "more than 10 s".to_owned(),
    };
    let bar = |(most, calls): (Option<u64>, u64)| {
        let took = most.map_or_else(|| "longer".to_owned(), |most| format!("to {}", amount::micros(most)));
        Bar { took, calls }
    };
    Counted {
        hook: hook.hook.clone(),
        calls: hook.calls,
        failures: hook.failures.iter().map(|(word, count)| (word.clone(), *count)).collect(),
        parts: [(50, part(hook.p50)), (95, part(hook.p95)), (99, part(hook.p99))],
        memory: amount::bytes(hook.memory),
        bars: hook.latency.buckets().map(bar).collect(),
    }
}

fn swap(event: &CatalogEvent) -> Swap {
    let (version, digest) = event.version.as_ref().map(|(version, digest)| (version.clone(), digest.short().to_owned())).unzip();
    Swap {
        at: Moment(event.at.as_second()),
        kind: match event.kind {
            EventKind::Serving => SwapKind::Serving,
            EventKind::Refused => SwapKind::Refused,
            EventKind::Stopped => SwapKind::Stopped,
        },
        version,
        digest,
        line: sentence(&event.text),
        took_ms: event.took_ms,
    }
}

/// What served, each with what makes it serve again.
fn versions(history: &[VersionView]) -> Vec<Served> {
    let one = |served: &VersionView| Served {
        artifact: Artifact { version: served.version.clone(), digest: short(&served.digest), since: Moment(served.since.as_second()) },
        until: served.until.map(|until| Moment(until.as_second())),
        rolled_back_by: served.rolled_back_by.clone(),
        settings: served.settings.to_string(),
        roll_back_to: (!served.is_as_serving).then(|| (served.digest.clone(), served.since.to_string())),
    };
    history.iter().map(one).collect()
}

/// What the plugin asks for, was refused, or may do, each with what allows it or takes it back.
fn permissions(report: &PluginReport, by_command: &Permissions) -> Vec<Permission> {
    let view = &report.plugin;
    let asked: BTreeSet<String> = view.asks.names().into_iter().collect();
    let tried = report.refused.keys().cloned();
    let all: BTreeSet<String> = asked.iter().cloned().chain(view.allowed.names()).chain(tried).collect();
    let one = |what: String| {
        let named = Permissions::named(&what);
        let is_in = |these: &Permissions| named.as_ref().is_some_and(|named| named.without(these) == Permissions::default());
        // `http *` is met by any origin, and which one it is only the operator knows.
        let any = what == "http *";
        let allowed = is_in(&view.allowed) || any && !view.allowed.http.is_empty();
        let options = if any { Some("--http ORIGIN".to_owned()) } else { named.as_ref().map(Permissions::as_options) };
        Permission {
            allowed,
            asked: asked.contains(&what),
            refused_calls: report.refused.get(&what).copied().unwrap_or_default(),
            button: named.is_some() && (!allowed || is_in(by_command)),
            allow_command: options.map(|options| format!("ciba-host plugin allow {} {options}", view.name)),
            what,
        }
    };
    all.into_iter().map(one).collect()
}

fn log_line(line: &LogLine) -> LogLineView {
    LogLineView {
        at: Moment(line.at.as_second()),
        level: match line.level {
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warning,
            LogLevel::Error => Level::Error,
        },
        line: line.text.clone(),
    }
}
