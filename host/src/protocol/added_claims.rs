//! What plugins add to tokens, and the claims that they cannot touch.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What plugins added to the tokens that were made together: kept with the access token, because UserInfo and
/// introspection say the same later.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddedClaims {
    /// To the ID token, and to what UserInfo answers.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub id_token: Map<String, Value>,
    /// To the access token, and to what introspection answers.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub access_token: Map<String, Value>,
}

impl AddedClaims {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.access_token.is_empty()
    }
}

// They are about a person.
impl std::fmt::Debug for AddedClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AddedClaims({} and {}, [redacted])", self.id_token.len(), self.access_token.len())
    }
}

/// Who issued a token to whom, for whom, for what, how that was verified, and until when: the host's alone, in ID tokens
/// (OpenID Connect Core 2), access tokens (RFC 9068 2.2) and introspection (RFC 7662 2.2) alike. With it stand claims by
/// which a resource would take the token for somebody else's (RFC 8693 4.1 and 4.4), or for one of another kind (RFC 8417).
const RESERVED: &[&str] = &[
    "acr",
    "act",
    "active",
    "amr",
    "at_hash",
    "aud",
    "auth_req_id",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "error",
    "events",
    "exp",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "rt_hash",
    "s_hash",
    "scope",
    "sid",
    "sub",
    "sub_id",
    "sub_jwk",
    "token_type",
    "username",
];
/// The claims of CIBA Core 10.3.1.
const RESERVED_PREFIX: &str = "urn:openid:params:jwt:claim:";

/// Whether a claim, or a member of introspection, is the host's alone.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::identifier::ClientId;
    use crate::protocol::tokens::{AccessTokenClaims, ApprovalClaims, IdTokenClaims};
    use crate::protocol::transaction::Confirmation;

    #[test]
    fn every_claim_that_the_host_writes_is_its_alone() {
        let amr = ["pwd".to_owned()];
        let approval = || ApprovalClaims { iss: "i", sub: "s", exp: 1, iat: 0, auth_time: 0, acr: Some("a"), amr: &amr };
        let (client, none, details) = (ClientId("c".to_owned()), Map::new(), Value::Null);
        let id_token = IdTokenClaims {
            approval: approval(),
            aud: &client,
            at_hash: Some("h".to_owned()),
            rt_hash: Some("h".to_owned()),
            auth_req_id: Some("a"),
            added: &none,
        };
        let access_token = AccessTokenClaims {
            approval: approval(),
            aud: Value::Null,
            client_id: "c",
            jti: "j",
            scope: "openid",
            cnf: Some(&Confirmation::Key("k".to_owned())),
            authorization_details: Some(&details),
            added: &none,
        };
        for written in [serde_json::to_value(&id_token).unwrap(), serde_json::to_value(&access_token).unwrap()] {
            let names: Vec<&String> = written.as_object().unwrap().keys().collect();
            assert!(names.len() > 9 && names.iter().all(|name| is_reserved(name)), "{names:?}");
        }
        assert!(!is_reserved("groups") && !is_reserved("Sub") && !is_reserved("email"));
    }

    #[test]
    fn nothing_of_them_is_shown() {
        let added = AddedClaims { id_token: Map::from_iter([("groups".to_owned(), "secret".into())]), ..AddedClaims::default() };
        assert!(!format!("{added:?}").contains("secret"));
        let kept = serde_json::to_string(&added).unwrap();
        assert_eq!(kept, r#"{"id_token":{"groups":"secret"}}"#);
        assert_eq!(serde_json::from_str::<AddedClaims>(&kept).unwrap(), added);
    }
}
