//! The FAPI-CIBA profiles, as a property of a client: `fapi-ciba-id1` (Implementer's Draft 1, on FAPI 1 Advanced) and
//! `fapi-ciba-fapi2` (the draft on FAPI 2). Here stands what a profile asks beyond the rules for every client.
//!
//! Numbers of FAPI-CIBA are those of Implementer's Draft 1; the later draft has the same rules under others.

use super::algorithm::JwsAlgorithm;
use super::backchannel::BackchannelRequest;
use super::client::registration::MetadataError;
use super::client::{AuthenticationMethod, Client, ClientMetadata, DeliveryMode, FapiProfile};
use super::error::{ErrorCode, ProtocolError};

/// Whether a client's registration keeps to the profile it names; one that names none may register what it likes.
///
/// # Errors
/// The first member that does not, and what the profile asks of it.
pub fn check_registration(metadata: &ClientMetadata) -> Result<(), MetadataError> {
    let Some(profile) = metadata.fapi_profile else { return Ok(()) };
    let wrong = |member: &'static str, what: &str| Err(MetadataError::of(member, format!("{what} (fapi_profile)")));
    // FAPI 1 Advanced 5.2.2 (14), FAPI 2 5.3.2.1 (6): keys of the client's own, and no secret that both sides hold.
    let method = metadata.token_endpoint_auth_method;
    if method != AuthenticationMethod::PrivateKeyJwt && !method.is_mtls() {
        return wrong("token_endpoint_auth_method", "must be private_key_jwt, tls_client_auth or self_signed_tls_client_auth");
    }
    // FAPI-CIBA 5.2.2 (3): push mode is not supported.
    if metadata.backchannel_token_delivery_mode == DeliveryMode::Push {
        return wrong("backchannel_token_delivery_mode", "must be poll or ping");
    }
    // FAPI-CIBA 7.10, FAPI 1 Advanced 8.6. FAPI 2 5.4.1 takes Ed25519 too, by both of its names; this profile's list does not.
    for (member, algorithm) in [
        ("token_endpoint_auth_signing_alg", metadata.token_endpoint_auth_signing_alg),
        ("backchannel_authentication_request_signing_alg", metadata.backchannel_authentication_request_signing_alg),
        ("id_token_signed_response_alg", Some(metadata.id_token_algorithm())),
    ] {
        if algorithm.is_some_and(|algorithm| !JwsAlgorithm::FAPI.contains(&algorithm)) {
            return wrong(member, "must be PS256 or ES256");
        }
    }
    // FAPI-CIBA 5.2.2 (2): the person is shown what this request alone is about.
    if !metadata.binding_message_required && metadata.authorization_details_types.is_empty() {
        return wrong("binding_message_required", "must be true, unless there are authorization_details_types");
    }
    // PROTOCOL 12: no request of a FAPI client is held.
    if metadata.long_poll {
        return wrong("long_poll", "must be false");
    }
    match profile {
        FapiProfile::Id1 => {
            // FAPI-CIBA 5.2.2 (6); the later draft takes unsigned requests as well.
            if metadata.backchannel_authentication_request_signing_alg.is_none() {
                return wrong("backchannel_authentication_request_signing_alg", "must be PS256 or ES256: requests are signed");
            }
            // FAPI 1 Advanced 5.2.2 (5, 6).
            if !metadata.tls_client_certificate_bound_access_tokens {
                return wrong("tls_client_certificate_bound_access_tokens", "must be true");
            }
        }
        FapiProfile::Fapi2 => {
            // FAPI 2 5.3.2.1 (4, 5).
            if !metadata.tls_client_certificate_bound_access_tokens && !metadata.dpop_bound_access_tokens {
                let what = "must be true, or tls_client_certificate_bound_access_tokens";
                return wrong("dpop_bound_access_tokens", what);
            }
        }
    }
    Ok(())
}

/// Checks what the client's profile asks for. A client without one keeps to CIBA Core alone.
///
/// The certificate that its tokens are bound to is asked for where they are handed out: clients of
/// `private_key_jwt` begin at the endpoint that asks nobody for one (FAPI-CIBA 5.2.2, RFC 8705 5).
///
/// # Errors
/// The first rule that is broken.
pub fn check_request(client: &Client, asked: &BackchannelRequest, signed: bool) -> Result<(), ProtocolError> {
    let metadata = &client.metadata;
    let Some(profile) = metadata.fapi_profile else { return Ok(()) };
    let refuse = |code, why: &str| Err(ProtocolError::new(code, format!("{why} (FAPI-CIBA 5.2.2)")));
    let method = metadata.token_endpoint_auth_method;
    if method != AuthenticationMethod::PrivateKeyJwt && !method.is_mtls() {
        return refuse(ErrorCode::UnauthorizedClient, "a client of this profile proves itself with private_key_jwt or a certificate");
    }
    if client.delivery() == DeliveryMode::Push {
        return refuse(ErrorCode::UnauthorizedClient, "a client of this profile polls or is pinged");
    }
    if asked.binding_message.is_none() && asked.authorization_details.is_none() {
        return refuse(ErrorCode::InvalidRequest, "binding_message is missing, and there are no authorization_details instead");
    }
    if profile == FapiProfile::Id1 && !signed {
        return refuse(ErrorCode::InvalidRequest, "request is missing: a client of this profile signs its requests");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::backchannel::{Limits, Parameters};
    use crate::protocol::client::{ClientKind, Origin};
    use crate::protocol::form::Form;
    use crate::protocol::identifier::Digest;

    fn good(profile: FapiProfile) -> ClientMetadata {
        ClientMetadata {
            token_endpoint_auth_method: AuthenticationMethod::PrivateKeyJwt,
            backchannel_authentication_request_signing_alg: Some(JwsAlgorithm::Ps256),
            tls_client_certificate_bound_access_tokens: true,
            binding_message_required: true,
            fapi_profile: Some(profile),
            ..ClientMetadata::default()
        }
    }

    fn member(metadata: &ClientMetadata) -> Option<String> {
        check_registration(metadata).err().map(|error| error.member)
    }

    #[test]
    fn what_keeps_to_a_profile_may_be_registered() {
        for metadata in [
            ClientMetadata::default(),
            good(FapiProfile::Id1),
            ClientMetadata { backchannel_token_delivery_mode: DeliveryMode::Ping, ..good(FapiProfile::Id1) },
            ClientMetadata { token_endpoint_auth_method: AuthenticationMethod::TlsClientAuth, ..good(FapiProfile::Id1) },
            ClientMetadata { token_endpoint_auth_method: AuthenticationMethod::SelfSignedTlsClientAuth, ..good(FapiProfile::Fapi2) },
            ClientMetadata {
                binding_message_required: false,
                authorization_details_types: vec!["payment".to_owned()],
                ..good(FapiProfile::Id1)
            },
            ClientMetadata { backchannel_authentication_request_signing_alg: None, ..good(FapiProfile::Fapi2) },
            ClientMetadata {
                tls_client_certificate_bound_access_tokens: false,
                dpop_bound_access_tokens: true,
                ..good(FapiProfile::Fapi2)
            },
        ] {
            assert_eq!(member(&metadata), None, "{metadata:?}");
        }
    }

    #[test]
    fn each_rule_of_a_profile_names_its_member() {
        type Change = fn(&mut ClientMetadata);
        let both: [(Change, &str); 9] = [
            (|m| m.token_endpoint_auth_method = AuthenticationMethod::ClientSecretBasic, "token_endpoint_auth_method"),
            (|m| m.token_endpoint_auth_method = AuthenticationMethod::ClientSecretPost, "token_endpoint_auth_method"),
            (|m| m.token_endpoint_auth_method = AuthenticationMethod::ClientSecretJwt, "token_endpoint_auth_method"),
            (|m| m.backchannel_token_delivery_mode = DeliveryMode::Push, "backchannel_token_delivery_mode"),
            (|m| m.token_endpoint_auth_signing_alg = Some(JwsAlgorithm::Rs256), "token_endpoint_auth_signing_alg"),
            (
                |m| m.backchannel_authentication_request_signing_alg = Some(JwsAlgorithm::EdDsa),
                "backchannel_authentication_request_signing_alg",
            ),
            (|m| m.id_token_signed_response_alg = Some(JwsAlgorithm::Rs256), "id_token_signed_response_alg"),
            (|m| m.binding_message_required = false, "binding_message_required"),
            (|m| m.long_poll = true, "long_poll"),
        ];
        let id1: [(Change, &str); 2] = [
            (|m| m.backchannel_authentication_request_signing_alg = None, "backchannel_authentication_request_signing_alg"),
            (|m| m.tls_client_certificate_bound_access_tokens = false, "tls_client_certificate_bound_access_tokens"),
        ];
        let fapi2: [(Change, &str); 1] = [(|m| m.tls_client_certificate_bound_access_tokens = false, "dpop_bound_access_tokens")];
        let cases = both.map(|case| (FapiProfile::Id1, case)).into_iter().chain(both.map(|case| (FapiProfile::Fapi2, case)));
        let cases = cases.chain(id1.map(|case| (FapiProfile::Id1, case))).chain(fapi2.map(|case| (FapiProfile::Fapi2, case)));
        for (profile, (change, expected)) in cases {
            let mut metadata = good(profile);
            change(&mut metadata);
            assert_eq!(member(&metadata).as_deref(), Some(expected), "{profile:?} {expected}");
        }
    }

    #[test]
    fn item_28_each_profile_asks_for_what_it_asks() {
        use AuthenticationMethod::*;
        use FapiProfile::{Fapi2, Id1};
        let bare = "scope=openid&login_hint=alice&client_notification_token=x";
        let bound = &format!("{bare}&binding_message=W4SCT");
        for (profile, method, delivery, body, signed, expected) in [
            (None, ClientSecretBasic, DeliveryMode::Push, bare, false, Ok(())),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bound.as_str(), true, Ok(())),
            (Some(Id1), TlsClientAuth, DeliveryMode::Ping, bound, true, Ok(())),
            (Some(Id1), SelfSignedTlsClientAuth, DeliveryMode::Poll, bound, true, Ok(())),
            (Some(Id1), ClientSecretJwt, DeliveryMode::Poll, bound, true, Err("private_key_jwt")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Push, bound, true, Err("polls or is pinged")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bare, true, Err("binding_message is missing")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bound, false, Err("request is missing")),
            (Some(Fapi2), PrivateKeyJwt, DeliveryMode::Poll, bound, false, Ok(())),
            (Some(Fapi2), PrivateKeyJwt, DeliveryMode::Poll, bare, false, Err("binding_message is missing")),
            (Some(Fapi2), ClientSecretPost, DeliveryMode::Poll, bound, false, Err("private_key_jwt")),
            (Some(Fapi2), PrivateKeyJwt, DeliveryMode::Push, bound, false, Err("polls or is pinged")),
        ] {
            let mut client = Client::with_secret("bank".into(), "Bank", ClientKind::Ciba, Digest::of(b""), Origin::Command);
            let metadata = Arc::make_mut(&mut client.metadata);
            metadata.fapi_profile = profile;
            metadata.token_endpoint_auth_method = method;
            metadata.backchannel_token_delivery_mode = delivery;
            let form = Form::parse(body.as_bytes()).ok().unwrap();
            let asked = BackchannelRequest::parse(Parameters::Form(&form), &client, &Limits::default()).unwrap();
            match (check_request(&client, &asked, signed), expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(why)) => assert!(error.description.contains(why), "{why}: {}", error.description),
                (said, _) => panic!("{profile:?} {method:?} {delivery:?} {signed}: {said:?}, not {expected:?}"),
            }
        }
        // authorization_details are a context of their own.
        let mut client = Client::with_secret("bank".into(), "Bank", ClientKind::Ciba, Digest::of(b""), Origin::Command);
        let metadata = Arc::make_mut(&mut client.metadata);
        (metadata.fapi_profile, metadata.token_endpoint_auth_method) = (Some(Fapi2), PrivateKeyJwt);
        metadata.authorization_details_types = vec!["a".to_owned()];
        let body = format!("{bare}&authorization_details=%5B%7B%22type%22%3A%22a%22%7D%5D");
        let form = Form::parse(body.as_bytes()).ok().unwrap();
        let asked = BackchannelRequest::parse(Parameters::Form(&form), &client, &Limits::default()).unwrap();
        assert_eq!(check_request(&client, &asked, false), Ok(()));
    }
}
