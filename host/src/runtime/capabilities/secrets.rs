//! `secrets`: what a plugin does with secret settings that it does not see.

use aws_lc_rs::hmac;

use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::contract::ciba::interception::secrets::Host;
use super::super::guest::Guest;
use super::webhook_signature;

/// The longest message, in bytes: while one is signed, nothing interrupts the call.
const MESSAGE_BYTES: usize = 256 << 10;

impl Guest {
    /// The secret setting at this pointer.
    pub(super) fn secret(&self, pointer: &str) -> Result<&str, Refusal> {
        let found = self.given.secret(pointer);
        found.ok_or_else(|| Refusal::Other("its settings have no secret there: `settings` says which there are".to_owned()))
    }
}

impl Host for Guest {
    fn hmac_sha256(&mut self, secret: String, message: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        check_message(&message)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret(&secret)?.as_bytes());
        Ok(hmac::sign(&key, &message).as_ref().to_vec())
    }

    fn webhook_signature(&mut self, secret: String, message: Vec<u8>) -> Result<String, Refusal> {
        check_message(&message)?;
        let signed = webhook_signature::sign(self.secret(&secret)?, &message);
        signed.map_err(|what| Refusal::Other(what.to_owned()))
    }

    fn reveal(&mut self, secret: String) -> Result<String, Refusal> {
        let found = self.secret(&secret)?.to_owned();
        if !self.log.shared.permissions().reveal.contains(&secret) {
            return Err(self.not_permitted(&format!("reveal {secret}"), &format!("--reveal {secret}")));
        }
        Ok(found)
    }
}

fn check_message(message: &[u8]) -> Result<(), Refusal> {
    if message.len() > MESSAGE_BYTES {
        return Err(Refusal::OverLimit(format!("a message has at most {MESSAGE_BYTES} bytes, and this one {}", message.len())));
    }
    Ok(())
}
