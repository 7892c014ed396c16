//! What the FAPI-CIBA profiles ask of a request besides (FAPI-CIBA 5.2.2).

use super::BackchannelRequest;
use crate::protocol::client::{AuthenticationMethod, Client, DeliveryMode, FapiProfile};
use crate::protocol::error::{ErrorCode, ProtocolError};

/// How the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// In a signed request object.
    pub signed: bool,
    /// Over a connection on which the client showed a certificate.
    pub certificate: bool,
}

/// Checks what the client's profile asks for. A client without one keeps to CIBA Core alone.
///
/// # Errors
/// The first rule that is broken.
pub fn check(client: &Client, asked: &BackchannelRequest, manner: Manner) -> Result<(), ProtocolError> {
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
    if profile == FapiProfile::Id1 {
        if !manner.signed {
            return refuse(ErrorCode::InvalidRequest, "request is missing: a client of this profile signs its requests");
        }
        if !manner.certificate {
            return refuse(ErrorCode::InvalidRequest, "no client certificate was shown, to which tokens of this profile are bound");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Limits, Parameters};
    use super::*;
    use crate::protocol::client::{ClientKind, Origin};
    use crate::protocol::form::Form;
    use crate::protocol::identifier::Digest;

    #[test]
    fn item_28_each_profile_asks_for_what_it_asks() {
        use AuthenticationMethod::*;
        use FapiProfile::{Fapi2, Id1};
        let bare = "scope=openid&login_hint=alice&client_notification_token=x";
        let bound = &format!("{bare}&binding_message=W4SCT");
        for (profile, method, delivery, body, signed, certificate, expected) in [
            (None, ClientSecretBasic, DeliveryMode::Push, bare, false, false, Ok(())),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bound.as_str(), true, true, Ok(())),
            (Some(Id1), TlsClientAuth, DeliveryMode::Ping, bound, true, true, Ok(())),
            (Some(Id1), SelfSignedTlsClientAuth, DeliveryMode::Poll, bound, true, true, Ok(())),
            (Some(Id1), ClientSecretJwt, DeliveryMode::Poll, bound, true, true, Err("private_key_jwt")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Push, bound, true, true, Err("polls or is pinged")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bare, true, true, Err("binding_message is missing")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bound, false, true, Err("request is missing")),
            (Some(Id1), PrivateKeyJwt, DeliveryMode::Poll, bound, true, false, Err("no client certificate")),
            (Some(Fapi2), PrivateKeyJwt, DeliveryMode::Poll, bound, false, false, Ok(())),
            (Some(Fapi2), PrivateKeyJwt, DeliveryMode::Poll, bare, false, false, Err("binding_message is missing")),
            (Some(Fapi2), ClientSecretPost, DeliveryMode::Poll, bound, false, false, Err("private_key_jwt")),
            (Some(Fapi2), PrivateKeyJwt, DeliveryMode::Push, bound, false, false, Err("polls or is pinged")),
        ] {
            let mut client = Client::with_secret("bank".into(), "Bank", ClientKind::Ciba, Digest::of(b""), Origin::Command);
            let metadata = Arc::make_mut(&mut client.metadata);
            metadata.fapi_profile = profile;
            metadata.token_endpoint_auth_method = method;
            metadata.backchannel_token_delivery_mode = delivery;
            let form = Form::parse(body.as_bytes()).ok().unwrap();
            let asked = BackchannelRequest::parse(Parameters::Form(&form), &client, &Limits::default()).unwrap();
            match (check(&client, &asked, Manner { signed, certificate }), expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(why)) => assert!(error.description.contains(why), "{why}: {}", error.description),
                (said, _) => panic!("{profile:?} {method:?} {delivery:?} {signed} {certificate}: {said:?}, not {expected:?}"),
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
        assert_eq!(check(&client, &asked, Manner { signed: false, certificate: false }), Ok(()));
    }
}
