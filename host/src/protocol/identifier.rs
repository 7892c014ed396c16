//! Identifiers, and secrets that are shown once and stored as a digest.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(text.to_owned()) }
        }
    )*};
}

identifiers! {
    /// `client_id` (RFC 6749 2.2).
    ClientId;
    /// A user, and the `sub` of their tokens.
    UserId;
    /// A device, or an address by which a user is reached.
    DeviceId;
    /// One authentication request as plugins and devices know it: it redeems nothing.
    TransactionId;
}

impl TransactionId {
    /// A new one: when it was made, and 80 random bits. Those that are made together stand together in an index, which
    /// is then written in few places.
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        // The lower six bytes of the milliseconds last until the year 10889.
        bytes[..6].copy_from_slice(&now.as_millisecond().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// What a client sent as `auth_req_id`, access token or refresh token. It names a request; whether it was issued for that
/// one is for its digest to say.
#[derive(Debug)]
pub struct UnverifiedBearer {
    /// The request it names.
    pub transaction: TransactionId,
    /// Of all of it.
    pub digest: Digest,
}

impl UnverifiedBearer {
    /// Reads any text; one without a dot names nothing.
    pub fn read(text: &str) -> Self {
        let (transaction, _) = text.split_once('.').unwrap_or_default();
        Self { transaction: transaction.into(), digest: Digest::of(text.as_bytes()) }
    }
}

impl UserId {
    /// Whom a hint names that names nobody; `name` tells hints apart. No user has such an identifier: theirs are without
    /// `?`.
    pub fn nobody(name: &str) -> Self {
        Self(format!("?{name}"))
    }

    /// Whether it is such a one.
    pub fn is_nobody(&self) -> bool {
        self.0.starts_with('?')
    }
}

impl DeviceId {
    /// A new one from 96 random bits.
    pub fn from_random(bytes: [u8; 12]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// SHA-256 of a [`Bearer`]: what the store keeps of it. 256 random bits need no slow hash and no salt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

impl Digest {
    /// The digest of anything that was presented.
    pub fn of(presented: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, presented);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// Whether both are the same, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
    }
}

/// A secret that whoever holds it may use: `auth_req_id`, access tokens, device sessions, one-time links.
/// 256 random bits in `[A-Za-z0-9._-]` (CIBA Core 7.3 asks for at least 128).
pub struct Bearer(Zeroizing<String>);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}

impl Bearer {
    /// A new one.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A new one that says which request it belongs to, so that no index of digests is needed to find that: an
    /// `auth_req_id` or an access token.
    pub fn of_request(transaction: &TransactionId, bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(format!("{transaction}.{}", Self::from_random(bytes).reveal())))
    }

    /// A token that was made elsewhere: a JWT.
    pub fn of_text(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// What is handed out, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}
