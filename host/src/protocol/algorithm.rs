//! The algorithms this provider knows, by the names that stand on the wire (RFC 7518, RFC 8037, RFC 9864).

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[$of:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[$of])* #[serde(rename = $name)] $variant,)*
        }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is named, in exactly these letters.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

names! {
    /// `alg` of a JWS (RFC 7518 3.1, RFC 8037 3.1, RFC 9864 2.2). `none` is not among them.
    JwsAlgorithm {
        /// ECDSA with P-256 and SHA-256.
        Es256 = "ES256",
        /// RSASSA-PSS with SHA-256 and a salt as long as the hash.
        Ps256 = "PS256",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// Ed25519, by the name of a family of algorithms, which most clients still use.
        EdDsa = "EdDSA",
        /// Ed25519, by its own name (RFC 9864 2.2). The same signatures.
        Ed25519 = "Ed25519",
        /// HMAC with SHA-256: both sides hold the secret.
        Hs256 = "HS256",
    }
}

names! {
    /// `alg` of a JWE (RFC 7518 4.1).
    KeyEncryption {
        /// RSA with OAEP and SHA-256.
        RsaOaep256 = "RSA-OAEP-256",
        /// Elliptic curve Diffie-Hellman, whose result is the content key.
        EcdhEs = "ECDH-ES",
    }
}

names! {
    /// `enc` of a JWE (RFC 7518 5.1).
    ContentEncryption {
        /// AES-128 in GCM.
        A128Gcm = "A128GCM",
        /// AES-256 in GCM.
        A256Gcm = "A256GCM",
    }
}

impl JwsAlgorithm {
    /// Those whose signature whoever has the public key can check: what the provider signs with, and what it takes from
    /// clients that must not share a secret with it.
    pub const ASYMMETRIC: [Self; 5] = [Self::Es256, Self::Ps256, Self::Rs256, Self::EdDsa, Self::Ed25519];
    /// Those that FAPI-CIBA allows (FAPI-CIBA ID1 7.10, FAPI 1 Advanced 8.6).
    pub const FAPI: [Self; 2] = [Self::Es256, Self::Ps256];
    /// Those that proofs of possession may be signed in where a profile is kept (FAPI 2 Security Profile 5.4.1).
    pub const FAPI_PROOFS: [Self; 4] = [Self::Es256, Self::Ps256, Self::EdDsa, Self::Ed25519];
}

impl JwsAlgorithm {
    /// What whoever registered it may sign with. `EdDSA` names a family, of which Ed25519 is the only one here; clients
    /// that were registered by that name sign by the other one since their library knows it (RFC 9864).
    pub fn taken(self) -> &'static [Self] {
        match self {
            Self::EdDsa => &[Self::EdDsa, Self::Ed25519],
            Self::Ed25519 => &[Self::Ed25519],
            Self::Es256 => &[Self::Es256],
            Self::Ps256 => &[Self::Ps256],
            Self::Rs256 => &[Self::Rs256],
            Self::Hs256 => &[Self::Hs256],
        }
    }
}

impl ContentEncryption {
    /// Length of the content key in bytes.
    pub fn key_length(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm => 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_in_no_other_letters() {
        for algorithm in JwsAlgorithm::ALL {
            assert_eq!(JwsAlgorithm::from_name(algorithm.as_str()), Some(*algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
            assert_eq!(serde_json::from_value::<JwsAlgorithm>(algorithm.as_str().into()).unwrap(), *algorithm);
        }
        for other in ["", "none", "None", "es256", "ES256 ", "ES384", "RS1", "ed25519", "Ed448"] {
            assert_eq!(JwsAlgorithm::from_name(other), None, "{other}");
        }
        assert_eq!(KeyEncryption::from_name("RSA-OAEP-256"), Some(KeyEncryption::RsaOaep256));
        assert_eq!(KeyEncryption::from_name("RSA-OAEP"), None);
        assert_eq!(ContentEncryption::from_name("A256GCM").map(ContentEncryption::key_length), Some(32));
    }

    #[test]
    fn whoever_registered_the_family_signs_with_its_member_and_nobody_else_with_anything_else() {
        for algorithm in JwsAlgorithm::ALL {
            let expected: &[JwsAlgorithm] = match algorithm {
                JwsAlgorithm::EdDsa => &[JwsAlgorithm::EdDsa, JwsAlgorithm::Ed25519],
                other => std::slice::from_ref(other),
            };
            assert_eq!(algorithm.taken(), expected);
        }
    }

    #[test]
    fn what_shares_a_secret_is_not_asymmetric() {
        let others: Vec<_> = JwsAlgorithm::ALL.iter().filter(|known| !JwsAlgorithm::ASYMMETRIC.contains(known)).collect();
        assert_eq!(others, [&JwsAlgorithm::Hs256]);
    }
}
