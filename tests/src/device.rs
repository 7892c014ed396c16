//! The person's side of a flow: how a request is seen and approved. It is the one step in which the
//! two providers differ.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::header::{COOKIE, HeaderName, ORIGIN, SET_COOKIE};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::{Connection, Origin};

/// A card that has not come by now will not come: the notify plugin is missing or failed.
const LONGEST_NOTIFICATION: Duration = Duration::from_secs(10);

pub enum Device {
    /// Our device page: sees cards by server-sent events, decides with its cookie.
    Ours(Phone),
    /// `oidc-provider` has no device; a route beside it decides by `auth_req_id`.
    Route(Connection),
}

impl Device {
    /// Returns once the device shows a request that it has not decided yet: its transaction for
    /// ours, nothing for a provider that tells devices nothing.
    pub async fn notified(&mut self) -> Result<Option<String>> {
        match self {
            Self::Ours(phone) => phone.next_card().await.map(Some),
            Self::Route(_) => Ok(None),
        }
    }

    pub async fn approve(&mut self, auth_req_id: &str, transaction: Option<String>) -> Result<()> {
        let (answer, path) = match (self, transaction) {
            (Self::Ours(phone), Some(transaction)) => {
                let path = "/device/decide";
                let form = form(&[("transaction", &transaction), ("decision", "approve")]);
                let answer = phone.connection.post_form(path, form).await?;
                phone.decided = Some(transaction);
                (answer, path)
            }
            (Self::Route(connection), None) => {
                let path = "/decide";
                let form = form(&[("auth_req_id", auth_req_id), ("decision", "approve")]);
                (connection.post_form(path, form).await?, path)
            }
            _ => bail!("only our device sees transactions"),
        };
        if !(answer.status.is_success() || answer.status.is_redirection()) {
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A device page that stays open, as a program.
pub struct Phone {
    connection: Connection,
    /// The transactions on the page now, soonest expiry first.
    cards: watch::Receiver<Vec<String>>,
    /// The last one decided: the page may still show it for a moment.
    decided: Option<String>,
    events: JoinHandle<()>,
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.events.abort();
    }
}

impl Phone {
    /// Uses up a one-time link, `http://…/device#enrol=TOKEN`, and opens the page's event stream.
    pub async fn enrol(link: &str, name: &str) -> Result<Self> {
        let (origin, path) = Origin::split(link)?;
        let (_, token) = path.split_once("#enrol=").context("the link has no #enrol=")?;
        let mut stranger = browser(&origin)?;
        let answer = stranger.post_form("/device/enrol", form(&[("token", token), ("name", name)])).await?;
        if answer.status != StatusCode::SEE_OTHER {
            bail!("enrol: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        let cookie = answer
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .find(|cookie| cookie.starts_with("ciba_device="))
            .context("enrol: no cookie named ciba_device")?
            .to_owned();

        let (shown, cards) = watch::channel(Vec::new());
        let listener = browser(&origin)?.with_header(COOKIE, &cookie)?;
        let connection = browser(&origin)?.with_header(COOKIE, &cookie)?;
        let events = tokio::spawn(listen(listener, shown));
        Ok(Self { connection, cards, decided: None, events })
    }

    async fn next_card(&mut self) -> Result<String> {
        let decided = self.decided.clone();
        let new = |card: &&String| decided.as_ref() != Some(*card);
        let shown = self.cards.wait_for(|cards| cards.iter().any(|card| new(&card)));
        let cards = tokio::time::timeout(LONGEST_NOTIFICATION, shown)
            .await
            .context("no card appeared on the device")?
            .context("the device's event stream ended")?;
        cards.iter().find(new).cloned().context("seen above")
    }
}

/// What a browser's `fetch` on the device page sends along.
fn browser(origin: &Origin) -> Result<Connection> {
    Connection::new(origin.clone())?
        .with_header(ORIGIN, &origin.to_string())?
        .with_header(HeaderName::from_static("x-requested-with"), "fetch")
}

/// Follows the event stream, reopening it as a browser does, until nobody looks any more.
async fn listen(mut connection: Connection, shown: watch::Sender<Vec<String>>) {
    while !shown.is_closed() {
        if let Err(error) = follow(&mut connection, &shown).await {
            eprintln!("device events: {error:#}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn follow(connection: &mut Connection, shown: &watch::Sender<Vec<String>>) -> Result<()> {
    let mut body = connection.stream("/device/events").await?;
    let mut events = Events::default();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            events.received.extend_from_slice(&data);
        }
        while let Some((name, data)) = events.next() {
            if name == "cards" {
                let data: serde_json::Value = serde_json::from_str(&data)?;
                let cards = data["transactions"].as_array().context("cards: no transactions")?;
                let ids = cards.iter().filter_map(|id| id.as_str().map(str::to_owned));
                shown.send_replace(ids.collect());
            }
        }
    }
    Ok(())
}

/// Cuts a stream into server-sent events, as far as our own server uses that format: lines end with
/// a line feed, an event with an empty line.
#[derive(Default)]
struct Events {
    received: BytesMut,
}

impl Events {
    /// The next complete event: its name and its data.
    fn next(&mut self) -> Option<(String, String)> {
        let end = self.received.windows(2).position(|pair| pair == b"\n\n")?;
        let block = self.received.split_to(end);
        self.received.advance(2);
        let (mut name, mut data) = (String::from("message"), Vec::new());
        for line in String::from_utf8_lossy(&block).lines() {
            match line.split_once(':') {
                Some(("event", value)) => name = value.trim_start().to_owned(),
                Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value).to_owned()),
                _ => {}
            }
        }
        Some((name, data.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn events_arrive_in_pieces() {
        let mut events = Events::default();
        events.received.extend_from_slice(b": hello\n\nevent: cards\ndata: {\"a\":");
        assert_eq!(events.next(), Some(("message".to_owned(), String::new())));
        assert_eq!(events.next(), None);
        events.received.extend_from_slice(b"1}\n\nevent:");
        assert_eq!(events.next(), Some(("cards".to_owned(), "{\"a\":1}".to_owned())));
        assert_eq!(events.next(), None);
    }
}
