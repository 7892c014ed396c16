use serde_json::json;

use super::*;
use crate::protocol::client::FapiProfile;

fn policy() -> Registration {
    Registration { enabled: true, open: true, open_clients: 0, modes: vec![DeliveryMode::Poll], scope: String::new(), fapi_profile: None }
}

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn client(metadata: ClientMetadata, set_by_operator: &[&str]) -> Client {
    let client = Client::with_secret("shop".into(), "Shop", ClientKind::Ciba, Digest([0; 32]), Origin::Registered);
    let set_by_operator = set_by_operator.iter().map(|member| (*member).to_owned()).collect();
    Client { metadata: Arc::new(metadata), set_by_operator, ..client }
}

#[test]
fn a_client_gives_itself_nothing_that_is_the_operators_to_give() {
    let asked: Map<String, Value> = OPERATORS.iter().map(|member| ((*member).to_owned(), json!(true))).collect();
    assert_eq!(within(&policy(), asked.clone(), None), Map::new());
    let before = client(ClientMetadata { interval: Some(2), long_poll: true, ..ClientMetadata::default() }, &[]);
    let kept = within(&policy(), asked, Some(&before));
    assert_eq!((&kept["interval"], &kept["long_poll"]), (&json!(2), &json!(true)));
}

#[test]
fn what_an_operator_set_of_a_client_stays_and_what_it_set_itself_does_not() {
    let asked = members(json!({"scope": "openid payments", "acr_minimum": "low"}));
    let metadata = ClientMetadata { scope: Some("openid".to_owned()), acr_minimum: Some("high".to_owned()), ..ClientMetadata::default() };
    let kept = within(&policy(), asked.clone(), Some(&client(metadata.clone(), &["scope", "acr_minimum"])));
    assert_eq!((&kept["scope"], &kept["acr_minimum"]), (&json!("openid"), &json!("high")));
    assert_eq!(within(&policy(), Map::new(), Some(&client(metadata.clone(), &["scope"])))["scope"], "openid");
    let free = within(&policy(), asked, Some(&client(metadata, &[])));
    assert_eq!((&free["scope"], &free["acr_minimum"]), (&json!("openid payments"), &json!("low")));
    // What an operator merely repeats of the rest, such as keys, the client may go on changing.
    let said = members(json!({"scope": "openid", "jwks_uri": "https://a.example/", "acr_minimum": null, "interval": 2}));
    assert_eq!(set_in(&said), ["scope"]);
}

#[test]
fn no_client_registers_more_than_the_ceiling_unless_an_operator_gave_it_more() {
    let policy = Registration { scope: "openid email".to_owned(), ..policy() };
    let check = |scope: &str, set: &[&str]| {
        let metadata = ClientMetadata { scope: Some(scope.to_owned()), ..ClientMetadata::default() };
        check_ceiling(&policy, &metadata, Some(&client(metadata.clone(), set))).map_err(|error| error.to_string())
    };
    assert_eq!((check("email openid", &[]), check("openid payments", &["scope"])), (Ok(()), Ok(())));
    let refused = check("openid payments", &["acr_minimum"]).unwrap_err();
    assert_eq!(refused, "scope: payments is more than clients may register here, which is: openid email");
}

#[test]
fn a_secret_that_makes_macs_is_as_long_as_they_need() {
    use AuthenticationMethod::{ClientSecretBasic, ClientSecretJwt};
    for (method, length, good) in
        [(ClientSecretBasic, 15, false), (ClientSecretBasic, 16, true), (ClientSecretJwt, 31, false), (ClientSecretJwt, 32, true)]
    {
        assert_eq!(check_secret_length(&"x".repeat(length), method).is_ok(), good, "{method:?} {length}");
    }
}

#[test]
fn what_the_operator_says_of_all_is_said_of_each() {
    let policy = Registration { scope: "openid email".to_owned(), fapi_profile: Some(FapiProfile::Id1), ..policy() };
    let said = within(&policy, members(json!({"scope": null, "fapi_profile": "fapi_ciba_fapi2"})), None);
    assert_eq!(said, members(json!({"scope": "openid email", "fapi_profile": "fapi_ciba_id1", "binding_message_required": true})));
    let said = within(&policy, members(json!({"scope": "openid", "binding_message_required": false})), None);
    assert_eq!((&said["scope"], &said["binding_message_required"]), (&json!("openid"), &json!(false)));
}
