//! The two parties of an authentication, as programs: the client that asks and the person's phone.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::host::{Host, wait_for};
use crate::wire::{Answer, Request};

const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    to: SocketAddr,
    authorization: String,
}

impl Client {
    /// The one that the demo world brings.
    pub fn demo(host: &Host) -> Self {
        Self::of(host, "demo", "demo-secret")
    }

    /// Registers one by command.
    pub fn add(host: &Host, id: &str, options: &[&str]) -> Result<Self> {
        let words: Vec<&str> = ["client", "add", id].iter().chain(options).copied().collect();
        let added = host.data.json(&words)?;
        Ok(Self::of(host, id, added["client_secret"].as_str().context("a secret")?))
    }

    /// One that was registered otherwise.
    pub fn with_secret(host: &Host, id: &str, secret: &str) -> Self {
        Self::of(host, id, secret)
    }

    fn of(host: &Host, id: &str, secret: &str) -> Self {
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
        Self { to: host.public, authorization }
    }

    /// This request, with the client's credential.
    pub fn authenticated(&self, request: Request) -> Request {
        request.header("authorization", &self.authorization)
    }

    /// Asks for a user's approval.
    pub fn ask(&self, parameters: &[(&str, &str)]) -> Result<Answer> {
        self.authenticated(Request::form("/bc-authorize", parameters)).send(self.to)
    }

    /// Starts an authentication of this user, which must be acknowledged.
    pub fn start(&self, user: &str) -> Result<String> {
        self.start_with(user, &[])
    }

    pub fn start_with(&self, user: &str, more: &[(&str, &str)]) -> Result<String> {
        let parameters: Vec<_> = [("scope", "openid"), ("login_hint", user)].iter().chain(more).copied().collect();
        let answer = self.ask(&parameters)?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(answer.json()["auth_req_id"].as_str().context("an auth_req_id")?.to_owned())
    }

    /// One poll.
    pub fn poll(&self, auth_req_id: &str) -> Result<Answer> {
        self.poll_request(auth_req_id).send(self.to)
    }

    pub fn poll_request(&self, auth_req_id: &str) -> Request {
        self.authenticated(Request::form("/token", &[("grant_type", GRANT_TYPE), ("auth_req_id", auth_req_id)]))
    }
}

/// A phone with the device page, enrolled for one user.
#[derive(Clone, Debug)]
pub struct Phone {
    to: SocketAddr,
    cookie: String,
}

impl Phone {
    /// Enrols one by command and one-time link.
    pub fn of(host: &Host, user: &str) -> Result<Self> {
        let link = host.data.json(&["user", "enrol", user])?;
        Self::enrol(host, link["link"].as_str().context("a link")?)
    }

    /// Uses up a one-time link.
    pub fn enrol(host: &Host, link: &str) -> Result<Self> {
        let (_, token) = link.split_once("#enrol=").with_context(|| format!("no #enrol= in {link}"))?;
        let form = Request::form("/device/enrol", &[("token", token), ("name", "Test phone")]);
        let answer = form.header("origin", &host.issuer()).send(host.public)?;
        let cookie = answer.header("set-cookie").and_then(|line| line.split(';').next()).with_context(|| answer.text())?;
        Ok(Self { to: host.public, cookie: cookie.to_owned() })
    }

    /// The same page, after its host moved to other ports.
    pub fn moved_to(&self, host: &Host) -> Self {
        Self { to: host.public, cookie: self.cookie.clone() }
    }

    /// The secret that this page holds.
    pub fn session(&self) -> &str {
        self.cookie.split_once('=').map_or("", |(_, session)| session)
    }

    /// What the page's script sends.
    pub fn send(&self, request: Request) -> Result<Answer> {
        self.dressed(request).send(self.to)
    }

    fn dressed(&self, request: Request) -> Request {
        self.by_hand(request).header("x-requested-with", "fetch")
    }

    /// What the page sends without its script.
    fn by_hand(&self, request: Request) -> Request {
        request.header("cookie", &self.cookie).header("origin", &format!("http://{}", self.to))
    }

    /// Sends the answer from a page whose script does not run.
    pub fn decide_by_hand(&self, transaction: &str, decision: &str) -> Result<Answer> {
        self.by_hand(Request::form("/device/decide", &[("transaction", transaction), ("decision", decision)])).send(self.to)
    }

    /// The list on the page, as HTML.
    pub fn cards(&self) -> Result<String> {
        Ok(self.send(Request::get("/device/cards"))?.text())
    }

    /// *Check now*: the list, with what no plugin announced.
    pub fn check(&self) -> Result<String> {
        Ok(self.send(Request::form("/device/check", &[]))?.text())
    }

    /// The cards on the page that wait for an answer.
    pub fn waiting(&self) -> Result<Vec<String>> {
        Ok(waiting_in(&self.cards()?))
    }

    /// Waits until this page shows a card that was not there before.
    pub fn next_card(&self, known: &[String]) -> Result<String> {
        wait_for("a card on the phone", || Ok(self.waiting()?.into_iter().find(|card| !known.contains(card))))
    }

    /// Sends the answer, and is gone so much later, whatever it has heard.
    pub fn decide_and_hang_up(&self, transaction: &str, decision: &str, after: Duration) -> Result<()> {
        let request = self.dressed(Request::form("/device/decide", &[("transaction", transaction), ("decision", decision)]));
        request.send_and_hang_up(self.to, after)
    }

    pub fn decide(&self, transaction: &str, decision: &str) -> Result<Answer> {
        self.send(Request::form("/device/decide", &[("transaction", transaction), ("decision", decision)]))
    }
}

/// The transactions of the cards that wait for an answer, in a piece of the page.
pub fn waiting_in(html: &str) -> Vec<String> {
    let cards = html.split("data-transaction=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    cards.filter(|(_, rest)| rest.trim_start().starts_with("data-state=\"pending\"")).map(|(id, _)| id.to_owned()).collect()
}

/// The claims of an ID token, unverified: whether it is valid is for clients of others to say.
pub fn claims(tokens: &Answer) -> Value {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let token = tokens.json()["id_token"].as_str().unwrap_or_default().to_owned();
    let payload = token.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or_default()
}
