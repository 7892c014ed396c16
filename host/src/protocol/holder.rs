//! What a client's tokens are bound to (RFC 8705 3, RFC 9449 5).

use super::algorithm::JwsAlgorithm;
use super::client::{ClientMetadata, FapiProfile};
use super::error::{ErrorCode, ProtocolError};
use super::transaction::Confirmation;

/// What was shown with a request: the thumbprint of a certificate whose key the peer holds, and that of a DPoP key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// `x5t#S256` (RFC 8705 3.1).
    pub certificate: Option<String>,
    /// `jkt` (RFC 9449 6.1).
    pub key: Option<String>,
    /// How the proof of that key was signed.
    pub proof: Option<JwsAlgorithm>,
}

impl Holder {
    /// What tokens of this client are bound to, when this was shown.
    ///
    /// # Errors
    /// When what they must be bound to was not shown.
    pub fn confirmation(&self, metadata: &ClientMetadata) -> Result<Option<Confirmation>, ProtocolError> {
        let certificate = || self.certificate.clone().map(Confirmation::Certificate);
        let key = || self.key.clone().map(Confirmation::Key);
        // FAPI 2 Security Profile 5.4.1: not in RSASSA-PKCS1-v1_5.
        if let Some(proof) = self.proof
            && metadata.fapi_profile.is_some()
            && !JwsAlgorithm::FAPI_PROOFS.contains(&proof)
        {
            let what = format!("a proof of this client's must not be signed in {proof} (fapi_profile)");
            return Err(ProtocolError::new(ErrorCode::InvalidDpopProof, what));
        }
        let no_proof = || ProtocolError::new(ErrorCode::InvalidDpopProof, "this client always sends a DPoP proof, and there is none");
        // RFC 9449 5.2, also where the tokens are bound to its certificate.
        if metadata.dpop_bound_access_tokens && self.key.is_none() {
            return Err(no_proof());
        }
        // RFC 8705 3.4; FAPI 1 Advanced 5.2.2 (5, 6), which FAPI-CIBA ID1 5.2.2 takes over: by certificate.
        if metadata.tls_client_certificate_bound_access_tokens || metadata.fapi_profile == Some(FapiProfile::Id1) {
            return certificate().map(Some).ok_or_else(|| {
                ProtocolError::new(ErrorCode::InvalidRequest, "this client's tokens are bound to its certificate, and none was shown")
            });
        }
        let shown = key();
        if shown.is_none() && metadata.fapi_profile == Some(FapiProfile::Fapi2) {
            // FAPI 2 Security Profile 5.3.2.1 (4, 5): by either.
            return certificate().map(Some).ok_or_else(|| {
                let what = "this client's tokens are bound to a certificate or a key, and neither was shown";
                ProtocolError::new(ErrorCode::InvalidRequest, what)
            });
        }
        Ok(shown)
    }

    /// Whether this holds what a token is bound to. A token that is bound to nothing is anybody's.
    pub fn holds(&self, confirmation: Option<&Confirmation>) -> bool {
        match confirmation {
            None => true,
            Some(Confirmation::Certificate(thumbprint)) => self.certificate.as_ref() == Some(thumbprint),
            Some(Confirmation::Key(thumbprint)) => self.key.as_ref() == Some(thumbprint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(certificate: bool, key: bool) -> Holder {
        Holder {
            certificate: certificate.then(|| "c".to_owned()),
            key: key.then(|| "k".to_owned()),
            proof: key.then_some(JwsAlgorithm::EdDsa),
        }
    }

    #[test]
    fn tokens_are_bound_to_what_the_client_registered() {
        let plain = ClientMetadata::default();
        let certificate = ClientMetadata { tls_client_certificate_bound_access_tokens: true, ..plain.clone() };
        let key = ClientMetadata { dpop_bound_access_tokens: true, ..plain.clone() };
        let both = ClientMetadata { tls_client_certificate_bound_access_tokens: true, ..key.clone() };
        let id1 = ClientMetadata { fapi_profile: Some(FapiProfile::Id1), ..plain.clone() };
        let fapi2 = ClientMetadata { fapi_profile: Some(FapiProfile::Fapi2), ..plain.clone() };
        let by_certificate = || Ok(Some(Confirmation::Certificate("c".to_owned())));
        let by_key = || Ok(Some(Confirmation::Key("k".to_owned())));
        for (metadata, with_certificate, with_key, bound) in [
            (&plain, false, false, Ok(None)),
            (&plain, true, false, Ok(None)),
            (&plain, true, true, by_key()),
            (&certificate, false, true, Err(ErrorCode::InvalidRequest)),
            (&certificate, true, false, by_certificate()),
            (&certificate, true, true, by_certificate()),
            (&key, true, false, Err(ErrorCode::InvalidDpopProof)),
            (&key, true, true, by_key()),
            // Stored before the two were refused together.
            (&both, true, false, Err(ErrorCode::InvalidDpopProof)),
            (&both, false, true, Err(ErrorCode::InvalidRequest)),
            (&both, true, true, by_certificate()),
            (&id1, false, true, Err(ErrorCode::InvalidRequest)),
            (&id1, true, false, by_certificate()),
            (&fapi2, false, false, Err(ErrorCode::InvalidRequest)),
            (&fapi2, true, false, by_certificate()),
            (&fapi2, false, true, by_key()),
        ] {
            let shown = holder(with_certificate, with_key);
            assert_eq!(shown.confirmation(metadata).map_err(|error| error.code), bound, "{metadata:?} {shown:?}");
        }
    }

    #[test]
    fn item_28_a_proof_of_a_profiles_client_is_signed_as_the_profile_allows() {
        use JwsAlgorithm::{Ed25519, EdDsa, Es256, Ps256, Rs256};
        let fapi2 = ClientMetadata { fapi_profile: Some(FapiProfile::Fapi2), ..ClientMetadata::default() };
        for (metadata, proof, taken) in [
            (&fapi2, Es256, true),
            (&fapi2, Ps256, true),
            (&fapi2, EdDsa, true),
            (&fapi2, Ed25519, true),
            (&fapi2, Rs256, false),
            (&ClientMetadata::default(), Rs256, true),
        ] {
            let shown = Holder { proof: Some(proof), ..holder(true, true) };
            let said = shown.confirmation(metadata).map(drop).map_err(|error| error.code);
            assert_eq!(said, if taken { Ok(()) } else { Err(ErrorCode::InvalidDpopProof) }, "{metadata:?} {proof}");
        }
    }

    #[test]
    fn only_the_holder_holds() {
        let (certificate, key) = (Confirmation::Certificate("c".to_owned()), Confirmation::Key("k".to_owned()));
        for (shown, by_certificate, by_key) in
            [(holder(true, true), true, true), (holder(true, false), true, false), (holder(false, true), false, true)]
        {
            assert!(shown.holds(None));
            assert_eq!((shown.holds(Some(&certificate)), shown.holds(Some(&key))), (by_certificate, by_key), "{shown:?}");
        }
    }
}
