//! `sub`: the user's identifier, or for a pairwise client one that another client cannot connect with it (OpenID Connect
//! Core 8.1).
//!
//! A pairwise subject is the identifier encrypted, always to the same text within one sector, so that we can read our own
//! again and nothing has to be stored.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use url::Url;

use crate::protocol::client::{Client, DeliveryMode, SubjectType};
use crate::protocol::identifier::UserId;

/// Makes and reads subjects.
pub struct Subjects(LessSafeKey);

impl Subjects {
    /// Subjects under this key.
    ///
    /// # Panics
    /// Never: the key has the cipher's length.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).expect("a key of AES-256 has 32 bytes")))
    }

    /// `sub` of this user for this client.
    ///
    /// # Panics
    /// Never: an identifier is short.
    pub fn of(&self, client: &Client, user: &UserId) -> String {
        if client.metadata.subject_type == SubjectType::Public {
            return user.0.clone();
        }
        let mut sealed = user.as_str().as_bytes().to_vec();
        // The same nonce each time: GCM-SIV then only says whether two subjects are the same, which they are meant to.
        let encrypted = self.0.seal_in_place_append_tag(nonce(), Aad::from(sector(client)), &mut sealed);
        encrypted.expect("an identifier is shorter than what the cipher takes");
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The user whom this client knows by `sub`, if we made it.
    pub fn read(&self, client: &Client, sub: &str) -> Option<UserId> {
        if client.metadata.subject_type == SubjectType::Public {
            return Some(sub.into());
        }
        let mut sealed = BASE64_URL_SAFE_NO_PAD.decode(sub).ok()?;
        let user = self.0.open_in_place(nonce(), Aad::from(sector(client)), &mut sealed).ok()?;
        Some(UserId(String::from_utf8(user.to_vec()).ok()?))
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The sector a client belongs to: the host of `sector_identifier_uri`, else of where it is sent its tokens, in push mode,
/// or of its keys, in the others (CIBA Core 4). A client that registered none of them is a sector of its own.
pub fn sector(client: &Client) -> String {
    let metadata = &client.metadata;
    let own = match metadata.backchannel_token_delivery_mode {
        DeliveryMode::Push => &metadata.backchannel_client_notification_endpoint,
        DeliveryMode::Poll | DeliveryMode::Ping => &metadata.jwks_uri,
    };
    let uris = [&metadata.sector_identifier_uri, own];
    let host = uris.into_iter().flatten().find_map(|uri| Url::parse(uri).ok()?.host_str().map(str::to_owned));
    host.unwrap_or_else(|| format!("client {}", client.id))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::client::{ClientKind, Origin};
    use crate::protocol::identifier::Digest;

    fn client(id: &str, sector: Option<&str>) -> Client {
        let mut client = Client::with_secret(id.into(), id, ClientKind::Ciba, Digest::of(b""), Origin::Command);
        let metadata = Arc::make_mut(&mut client.metadata);
        metadata.subject_type = SubjectType::Pairwise;
        metadata.sector_identifier_uri = sector.map(|host| format!("https://{host}/sector.json"));
        client
    }

    #[test]
    fn the_sector_is_where_the_client_proves_to_be() {
        for (mode, host) in
            [(DeliveryMode::Poll, "keys.example"), (DeliveryMode::Ping, "keys.example"), (DeliveryMode::Push, "told.example")]
        {
            let mut client = client("one", None);
            let metadata = Arc::make_mut(&mut client.metadata);
            metadata.backchannel_token_delivery_mode = mode;
            metadata.jwks_uri = Some("https://keys.example/jwks".to_owned());
            metadata.backchannel_client_notification_endpoint = Some("https://told.example/told".to_owned());
            assert_eq!(sector(&client), host);
        }
        assert_eq!(sector(&client("one", Some("bank.example"))), "bank.example");
        assert_eq!(sector(&client("one", None)), "client one");
    }

    #[test]
    fn a_pairwise_subject_is_the_same_within_its_sector_and_nowhere_else() {
        let subjects = Subjects::new(&[7; 32]);
        let (one, two) = (client("one", Some("bank.example")), client("two", Some("bank.example")));
        let (other, alone) = (client("three", Some("shop.example")), client("four", None));
        let alice = UserId::from("alice");
        let sub = subjects.of(&one, &alice);
        assert_eq!(sub, subjects.of(&two, &alice));
        for stranger in [&other, &alone] {
            assert_ne!(sub, subjects.of(stranger, &alice));
            assert_eq!(subjects.read(stranger, &sub), None);
        }
        assert_ne!(sub, subjects.of(&one, &"bob".into()));
        assert!(!sub.contains("alice"));
        assert_eq!(subjects.read(&one, &sub), Some(alice));
        for invented in ["", "alice", "AAAA"] {
            assert_eq!(subjects.read(&one, invented), None, "{invented}");
        }
    }
}
