//! `credentials`: what services accept from a plugin, minted with keys that it does not see.

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::super::contract::ciba::interception::credentials::Host;
use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::guest::Guest;
use super::super::http::origin_of;
use super::google::{self, Account};
use super::kept::{FAILED, KeptCredentials, Minted, Purpose};
use super::{apns, vapid};
use crate::clock::Clock;

/// Credentials that one call of a hook asks for: each may be a signature, and nothing interrupts the call meanwhile.
const CALLS_MAX: u32 = 100;

impl Guest {
    fn count_credential(&mut self) -> Result<(), Refusal> {
        if self.credential_calls == CALLS_MAX {
            return Err(Refusal::OverLimit(format!("{CALLS_MAX} credentials in one call of a hook")));
        }
        self.credential_calls += 1;
        Ok(())
    }

    /// A credential as the guest gets it. It is worth as much as the key for a while, and has no place in a log.
    fn hand_over(&self, scheme: &str, credential: &str) -> String {
        self.log.shared.handed_out.add(credential);
        format!("{scheme} {credential}")
    }
}

/// What is kept for this purpose, or is signed now and given for so long.
async fn signed(
    kept: &KeptCredentials,
    clock: &Clock,
    purpose: Purpose,
    given_for: SignedDuration,
    sign: impl FnOnce(Timestamp) -> Result<Zeroizing<String>, Refusal>,
) -> Result<Zeroizing<String>, Refusal> {
    let mint = async {
        let now = clock.now();
        Ok(Minted { credential: sign(now)?, until: now + given_for })
    };
    kept.get(purpose, clock, mint, FAILED).await
}

impl Host for Guest {
    async fn google(&mut self, secret: String, scopes: Vec<String>) -> Result<String, Refusal> {
        self.count_credential()?;
        let file = self.secret(&secret)?;
        let account = Account::read(file).map_err(Refusal::Other)?;
        let scopes = google::scopes(scopes)?;
        let origin = origin_of(&account.token_uri);
        if !self.outgoing.is_allowed(&origin) {
            // A wrong key is said first: while it is tried nothing is allowed, and this is how a plugin finds out.
            account.key().map_err(Refusal::Other)?;
            return Err(Refusal::NotPermitted(format!("HTTP to {origin}")));
        }
        let clock = &self.house.clock;
        let mint = google::mint(&account, &scopes, clock, self.outgoing.clone());
        // That a shadow sends nothing is its own failure: nobody else is told so, and each of its calls finds it out itself.
        let failed = if self.log.withholding.is_some() { SignedDuration::ZERO } else { FAILED };
        let token = self.log.shared.credentials.get(Purpose::of(&["google", file, &scopes]), clock, mint, failed).await?;
        Ok(self.hand_over("Bearer", &token))
    }

    async fn apns(&mut self, secret: String, key_id: String, team_id: String) -> Result<String, Refusal> {
        self.count_credential()?;
        let file = self.secret(&secret)?;
        let (kept, purpose) = (&self.log.shared.credentials, Purpose::of(&["apns", file, &key_id, &team_id]));
        let sign = |now| apns::sign(file, &key_id, &team_id, now);
        let token = signed(kept, &self.house.clock, purpose, apns::GIVEN_FOR, sign).await?;
        Ok(self.hand_over("bearer", &token))
    }

    async fn vapid(&mut self, secret: String, audience: String, subject: String) -> Result<String, Refusal> {
        self.count_credential()?;
        let key = self.secret(&secret)?;
        let (kept, purpose) = (&self.log.shared.credentials, Purpose::of(&["vapid", key, &audience, &subject]));
        let sign = |now| vapid::sign(key, &audience, &subject, now);
        let token = signed(kept, &self.house.clock, purpose, vapid::GIVEN_FOR, sign).await?;
        Ok(self.hand_over("vapid", &token))
    }
}
