//! The algorithms we speak, by their registered names (RFC 7518, RFC 8037).

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$variant_doc:meta])* $name:ident = $wire:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $kind { $($(#[$variant_doc])* #[serde(rename = $wire)] $name,)* }

        impl $kind {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it goes over the wire.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $wire,)* } }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> { Self::ALL.iter().copied().find(|one| one.as_str() == name) }
        }
    )*};
}

names! {
    /// How a JWS is signed.
    JwsAlgorithm {
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// RSASSA-PKCS1-v1_5 with SHA-256. FAPI does not allow it.
        Rs256 = "RS256",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// HMAC with SHA-256: `client_secret_jwt` only.
        Hs256 = "HS256",
    }
    /// How the key of a JWE reaches its recipient.
    KeyEncryption {
        /// RSAES-OAEP with SHA-256.
        RsaOaep256 = "RSA-OAEP-256",
        /// Elliptic-curve Diffie-Hellman with an ephemeral key, used directly.
        EcdhEs = "ECDH-ES",
    }
    /// How the content of a JWE is encrypted.
    ContentEncryption {
        /// AES-GCM with a key of 128 bits.
        A128Gcm = "A128GCM",
        /// AES-GCM with a key of 256 bits.
        A256Gcm = "A256GCM",
    }
}

impl JwsAlgorithm {
    /// Those whose verifier cannot sign.
    pub const ASYMMETRIC: &[Self] = &[Self::Es256, Self::Ps256, Self::Rs256, Self::EdDsa];
    /// Those that FAPI allows (FAPI 1 Advanced 8.6).
    pub const FAPI: &[Self] = &[Self::Es256, Self::Ps256];
}
