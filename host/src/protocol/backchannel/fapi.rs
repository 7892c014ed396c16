//! What the FAPI-CIBA profiles ask of a request besides (FAPI-CIBA 5.2.2).

use super::BackchannelRequest;
use crate::protocol::client::{AuthenticationMethod, Client, DeliveryMode, FapiProfile};
use crate::protocol::error::{ErrorCode, ProtocolError};

/// Checks what the client's profile asks for. A client without one keeps to CIBA Core alone.
///
/// The certificate that its tokens are bound to is asked for where they are handed out: clients of
/// `private_key_jwt` begin at the endpoint that asks nobody for one (FAPI-CIBA 5.2.2, RFC 8705 5).
///
/// # Errors
/// The first rule that is broken.
pub fn check(client: &Client, asked: &BackchannelRequest, signed: bool) -> Result<(), ProtocolError> {
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
            match (check(&client, &asked, signed), expected) {
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
        assert_eq!(check(&client, &asked, false), Ok(()));
    }
}
