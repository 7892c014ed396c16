//! A stored request, as its person sees it.

use crate::flow::decide::{BY_PLUGIN, BY_RULES, SIMULATED};
use crate::flow::device::Session;
use crate::http::App;
use crate::http::views::device::{Answer, AnsweredBy, Card as CardView, CardState, Client as ClientView, HistoryEntry, Note, Outcome};
use crate::http::views::moment::Moment;
use crate::http::views::text::Locale;
use crate::protocol::transaction::{Request, State, Stored};
use crate::store::Card;

fn client_view(card: &Card) -> ClientView {
    let identifier = card.request.client.0.clone();
    let (verified_name, claimed_name) =
        if card.client_vouched { (card.client_name.clone(), None) } else { (None, card.client_name.clone()) };
    // A client without a name is called by its identifier, which is shown anyway.
    ClientView { claimed_name: claimed_name.filter(|name| *name != identifier), identifier, verified_name }
}

/// What it allows beyond scopes, a sentence each: in the person's own language, where its operator wrote some in that.
fn details(app: &App, request: &Request, session: &Session, locale: Locale) -> Vec<String> {
    let details = request.particulars.as_ref().and_then(|particulars| particulars.authorization_details.as_ref());
    let language = session.user.locale.as_deref().unwrap_or_else(|| locale.tag());
    details.map(|details| app.flow.details_in_words(details, Some(language))).unwrap_or_default()
}

pub(super) fn card_view(app: &App, card: &Card, session: &Session, locale: Locale, now_ms: i64) -> CardView {
    let request = &card.request;
    let answer = || Answer { by: answered_by(card, session), at: Moment(request.decided_at.unwrap_or(request.expires_at).as_second()) };
    let state = match request.stored {
        _ if card.reported => CardState::Reported,
        Stored::Pending if now_ms >= request.expires_at.as_millisecond() => CardState::Expired,
        Stored::Pending => CardState::Pending,
        Stored::Approved | Stored::Redeemed => CardState::Approved(answer()),
        Stored::Denied if request.is_given_up() => CardState::Expired,
        Stored::Denied => CardState::Denied(answer()),
        Stored::Superseded => CardState::Superseded,
    };
    CardView {
        transaction: request.transaction.0.clone(),
        client: client_view(card),
        details: details(app, request, session, locale),
        scopes: request.scope.split(' ').map(str::to_owned).collect(),
        binding_message: request.binding_message.clone(),
        note: card.note.clone().map(Note),
        expires_at: Moment(request.expires_at.as_second()),
        needs_more: app.flow.page_is_too_weak(card),
        not_counted: None,
        state,
    }
}

/// Who answered. Two phones may bear one name, so the device counts.
fn answered_by(card: &Card, session: &Session) -> AnsweredBy {
    let on = card.decided_on.as_deref().unwrap_or_default();
    match &card.decided_by {
        None if on == SIMULATED => AnsweredBy::Simulated,
        None if on == BY_RULES => AnsweredBy::Rules,
        // The person knows the channel by its name, which operators choose.
        None if on.starts_with(BY_PLUGIN) => AnsweredBy::Device(on[BY_PLUGIN.len()..].to_owned()),
        None => AnsweredBy::Operator,
        Some(device) if *device == session.device.id => AnsweredBy::ThisPhone,
        Some(_) => AnsweredBy::Device(on.to_owned()),
    }
}

/// What the history says of a request; one that still waits is not history.
pub(super) fn history_entry(app: &App, card: &Card, session: &Session, locale: Locale, now: jiff::Timestamp) -> Option<HistoryEntry> {
    let request = &card.request;
    let outcome = match request.stored {
        _ if card.reported => Outcome::Reported,
        Stored::Pending if request.state(now) == State::Pending => return None,
        Stored::Pending => Outcome::Expired,
        Stored::Approved | Stored::Redeemed => Outcome::Approved,
        Stored::Denied if request.is_given_up() => Outcome::Expired,
        Stored::Denied => Outcome::Denied,
        Stored::Superseded => Outcome::Superseded,
    };
    Some(HistoryEntry {
        transaction: request.transaction.0.clone(),
        client: client_view(card),
        details: details(app, request, session, locale),
        binding_message: request.binding_message.clone(),
        outcome,
        at: Moment(request.decided_at.unwrap_or(request.expires_at).as_second()),
        by: request.decided_at.filter(|_| outcome != Outcome::Superseded).map(|_| answered_by(card, session)),
    })
}
