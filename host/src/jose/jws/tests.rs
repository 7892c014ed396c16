use serde_json::json;

use super::*;
use crate::jose::pair::SigningPair;
use crate::jose::vectors;
use crate::protocol::algorithm::JwsAlgorithm::{Ed25519, EdDsa, Es256, Hs256, Ps256, Rs256};

const ALL: &[JwsAlgorithm] = JwsAlgorithm::ALL;
const SECRET: &[u8] = b"a secret that is thirty-two bytes or more";

fn encode(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// A JWT with this header and these claims, and a signature that is none.
fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}.AAAA", encode(header), encode(claims))
}

/// A JWT with this header, which `pair` signs whatever the header says.
fn signed(header: &Value, pair: &SigningPair) -> String {
    let mut jws = format!("{}.{}", encode(header.to_string()), encode(r#"{"iss":"joe"}"#));
    pair.complete(&mut jws).unwrap();
    jws
}

/// A JWT in HS256 under this secret.
fn authenticated(secret: &[u8]) -> String {
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(r#"{"iss":"joe"}"#));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", encode(tag))
}

fn pairs() -> [SigningPair; 5] {
    JwsAlgorithm::ASYMMETRIC.map(|alg| SigningPair::generate(alg).unwrap().0)
}

fn set(keys: &[Value]) -> PublicKeys {
    PublicKeys::parse(&json!({"keys": keys})).unwrap()
}

/// The key without what it says of itself.
fn bare(pair: &SigningPair) -> Value {
    let mut key = serde_json::to_value(pair.public()).unwrap();
    for name in ["kid", "alg", "use"] {
        key.as_object_mut().unwrap().remove(name);
    }
    key
}

fn named(mut key: Value, kid: &str) -> Value {
    key["kid"] = json!(kid);
    key
}

fn verified(jws: &str, keys: &PublicKeys, allowed: &[JwsAlgorithm]) -> Result<String, JwtFault> {
    let jws = UnverifiedJws::parse(jws)?;
    jws.verify(keys, allowed).map(|claims| claims["iss"].as_str().unwrap().to_owned())
}

#[test]
fn what_others_signed_is_verified() {
    for (jws, key, alg) in [
        (vectors::RFC7515_RS256, vectors::rfc7515_rs256(), Rs256),
        (vectors::RFC7515_ES256, vectors::rfc7515_es256(), Es256),
        (vectors::NODE_PS256, vectors::node_ps256(), Ps256),
    ] {
        assert_eq!(verified(jws, &set(std::slice::from_ref(&key)), &[alg]).as_deref(), Ok("joe"), "{alg}");
        let jws = UnverifiedJws::parse(jws).unwrap();
        assert!(jws.verify_with(&Jwk::parse(&key).unwrap(), &[alg]).is_ok(), "{alg}");
    }
    let jws = UnverifiedJws::parse(vectors::RFC7515_HS256).unwrap();
    assert_eq!(jws.header().typ.as_deref(), Some("JWT"));
    let secret = BASE64_URL_SAFE_NO_PAD.decode(vectors::RFC7515_HS256_KEY).unwrap();
    assert_eq!(jws.verify_hmac(&secret).unwrap()["exp"], 1_300_819_380);
}

#[test]
fn what_we_sign_is_verified_by_its_own_key_alone() {
    for pair in pairs() {
        let jws = pair.sign("JWT", &json!({"iss": "joe"})).unwrap();
        let header = UnverifiedJws::parse(&jws).unwrap().header().clone();
        assert_eq!((header.alg, header.kid.as_deref(), header.typ.as_deref()), (pair.algorithm(), Some(pair.kid()), Some("JWT")));
        let own = serde_json::to_value(pair.public()).unwrap();
        assert_eq!(verified(&jws, &set(&[own]), &[pair.algorithm()]).as_deref(), Ok("joe"));
        let (other, _) = SigningPair::generate(pair.algorithm()).unwrap();
        assert_eq!(verified(&jws, &set(&[named(bare(&other), pair.kid())]), ALL), Err(JwtFault::BadSignature));
        let unusual = pair.sign("a \" typ", &json!({})).unwrap();
        assert_eq!(UnverifiedJws::parse(&unusual).unwrap().header().typ.as_deref(), Some("a \" typ"));
    }
}

#[test]
fn what_is_wrong_with_its_form_is_said() {
    let good = r#"{"alg":"ES256"}"#;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(JWT_LENGTH_MAX));
    for (jws, fault) in [
        (String::new(), JwtFault::NotCompact),
        ("..".to_owned(), JwtFault::NotJson),
        ("a.b".to_owned(), JwtFault::NotCompact),
        (unsigned(good, "{}") + ".AAAA", JwtFault::NotCompact),
        (unsigned(good, "{}") + ".AAAA.AAAA", JwtFault::NotCompact),
        (format!("Bearer {}", unsigned(good, "{}")), JwtFault::NotBase64),
        (unsigned(good, "{}") + " ", JwtFault::NotBase64),
        (unsigned(good, "{}") + "=", JwtFault::NotBase64),
        (unsigned(good, "{}") + "\n", JwtFault::NotBase64),
        // The same bytes in other letters, the last bits of which nobody reads.
        (unsigned(good, "{}") + "AB", JwtFault::NotBase64),
        (unsigned(good, "{}").replace("AAAA", "AA+A"), JwtFault::NotBase64),
        (unsigned(good, "[]"), JwtFault::NotJson),
        (unsigned(good, "\"a\""), JwtFault::NotJson),
        (unsigned(good, ""), JwtFault::NotJson),
        (unsigned(good, "{} {}"), JwtFault::NotJson),
        (unsigned(good, &deep), JwtFault::NotJson),
        (unsigned("[]", "{}"), JwtFault::NotJson),
        (unsigned("\u{feff}{}", "{}"), JwtFault::NotJson),
        (unsigned(good, r#"{"sub":"a","sub":"b"}"#), JwtFault::NameTwice),
        (unsigned(good, r#"{"cnf":{"jkt":"a","jkt":"a"}}"#), JwtFault::NameTwice),
        (unsigned(r#"{"alg":"ES256","alg":"none"}"#, "{}"), JwtFault::NameTwice),
        (unsigned(r#"{"alg":"ES256","jwk":{"x":"a","x":"b"}}"#, "{}"), JwtFault::NameTwice),
        (unsigned(r#"{"alg":"ES256","crit":["exp"]}"#, "{}"), JwtFault::Critical),
        (unsigned(r#"{"alg":"ES256","crit":[]}"#, "{}"), JwtFault::Critical),
        (unsigned(r#"{"alg":"ES256","b64":true}"#, "{}"), JwtFault::Unencoded),
        (unsigned("{}", "{}"), JwtFault::Header),
        (unsigned(r#"{"alg":null}"#, "{}"), JwtFault::Header),
        (unsigned(r#"{"alg":["ES256"]}"#, "{}"), JwtFault::Header),
        (unsigned(r#"{"alg":"ES256","kid":1}"#, "{}"), JwtFault::Header),
        (unsigned(r#"{"alg":"ES256","typ":true}"#, "{}"), JwtFault::Header),
        (unsigned(r#"{"alg":"ES256","jwk":"a"}"#, "{}"), JwtFault::Header),
        (unsigned(r#"{"alg":"none"}"#, "{}"), JwtFault::NotSigned),
        (unsigned(r#"{"alg":"nOnE"}"#, "{}"), JwtFault::NotSigned),
        (unsigned(r#"{"alg":""}"#, "{}"), JwtFault::UnknownAlgorithm),
        (unsigned(r#"{"alg":"es256"}"#, "{}"), JwtFault::UnknownAlgorithm),
        (unsigned(r#"{"alg":"ES512"}"#, "{}"), JwtFault::UnknownAlgorithm),
        (unsigned(good, &long), JwtFault::TooLong),
    ] {
        assert_eq!(UnverifiedJws::parse(&jws).map(|_| ()), Err(fault), "{jws}");
    }
    assert!(UnverifiedJws::parse(&unsigned(good, "{}")).is_ok());
    assert!(UnverifiedJws::parse(&format!("{}.{}.", encode(good), encode("{}"))).is_ok(), "no signature is one that nothing verifies");
    assert!(JwtFault::TooLong.to_string().contains(&JWT_LENGTH_MAX.to_string()));
}

#[test]
fn a_key_is_chosen_by_its_name_and_else_by_what_it_is_for() {
    let [ec, ps, ..] = pairs();
    let (other, _) = SigningPair::generate(Es256).unwrap();
    let (ec_key, ps_key, other_key) = (bare(&ec), bare(&ps), bare(&other));
    let mut for_encryption = ec_key.clone();
    for_encryption["use"] = json!("enc");
    let mut of_another = ec_key.clone();
    of_another["alg"] = json!("ES384");
    let by_name = signed(&json!({"alg": "ES256", "kid": "a"}), &ec);
    let without = signed(&json!({"alg": "ES256"}), &ec);
    for (what, jws, keys, said) in [
        ("the named key", &by_name, vec![named(other_key.clone(), "b"), named(ec_key.clone(), "a")], Ok("joe")),
        ("of two of one name the one that fits", &by_name, vec![named(ps_key.clone(), "a"), named(ec_key.clone(), "a")], Ok("joe")),
        ("of two of one name the right one", &by_name, vec![named(other_key.clone(), "a"), named(ec_key.clone(), "a")], Ok("joe")),
        ("a name that nobody has", &by_name, vec![named(ec_key.clone(), "b")], Err(JwtFault::UnknownKey)),
        ("a name where no key has one", &by_name, vec![ec_key.clone()], Err(JwtFault::UnknownKey)),
        (
            "the named key is another",
            &by_name,
            vec![named(other_key.clone(), "a"), named(ec_key.clone(), "b")],
            Err(JwtFault::BadSignature),
        ),
        ("the named key is of another kind", &by_name, vec![named(ps_key.clone(), "a")], Err(JwtFault::WrongKey)),
        ("the named key is to encrypt", &by_name, vec![named(for_encryption.clone(), "a")], Err(JwtFault::WrongKey)),
        ("the named key is for another algorithm", &by_name, vec![named(of_another.clone(), "a")], Err(JwtFault::WrongKey)),
        ("no name: any that fits", &without, vec![other_key.clone(), ps_key.clone(), named(ec_key.clone(), "a")], Ok("joe")),
        ("no name, and none verifies", &without, vec![other_key.clone()], Err(JwtFault::NoKeyVerifies)),
        ("no name, and none fits", &without, vec![for_encryption, of_another, ps_key], Err(JwtFault::NoKeyVerifies)),
    ] {
        assert_eq!(verified(jws, &set(&keys), ALL), said.map(str::to_owned), "{what}");
    }
    let tries = |before: usize| {
        let mut keys = vec![other_key.clone(); before];
        keys.push(ec_key.clone());
        verified(&without, &set(&keys), ALL)
    };
    assert_eq!(tries(TRIES_MAX - 1).as_deref(), Ok("joe"));
    assert_eq!(tries(TRIES_MAX), Err(JwtFault::NoKeyVerifies), "a long set is work for whoever sends one");
}

#[test]
fn what_is_not_allowed_is_not_verified() {
    for pair in pairs() {
        let jws = UnverifiedJws::parse(&signed(&json!({"alg": pair.algorithm()}), &pair)).unwrap();
        let keys = set(&[bare(&pair)]);
        let others: Vec<_> = ALL.iter().copied().filter(|alg| *alg != pair.algorithm()).collect();
        for allowed in [&others[..], &[]] {
            assert_eq!(jws.verify(&keys, allowed), Err(JwtFault::AlgorithmNotAllowed), "{}", pair.algorithm());
            assert_eq!(jws.verify_with(&keys.keys()[0], allowed), Err(JwtFault::AlgorithmNotAllowed), "{}", pair.algorithm());
        }
        assert_eq!(jws.verify_hmac(SECRET), Err(JwtFault::AlgorithmNotAllowed), "{}", pair.algorithm());
        assert!(jws.verify(&keys, ALL).is_ok());
    }
}

/// RFC 8725 2.1: the header says one algorithm, and the key or the signature is of another.
#[test]
fn a_key_of_one_algorithm_never_verifies_another() {
    let pairs = pairs();
    // The two names of Ed25519 are of one algorithm.
    let one = |alg| if alg == Ed25519 { EdDsa } else { alg };
    for signer in &pairs {
        for claimed in JwsAlgorithm::ASYMMETRIC {
            let jws = UnverifiedJws::parse(&signed(&json!({"alg": claimed}), signer)).unwrap();
            for key in &pairs {
                let right = key.kid() == signer.kid() && one(claimed) == one(signer.algorithm());
                // Whether or not the key says what it is for.
                for public in [bare(key), serde_json::to_value(key.public()).unwrap()] {
                    assert_eq!(
                        jws.verify(&set(std::slice::from_ref(&public)), ALL).is_ok(),
                        right,
                        "{claimed} by {signer:?} with {public}"
                    );
                    assert_eq!(jws.verify_with(&Jwk::parse(&public).unwrap(), ALL).is_ok(), right, "{claimed} by {signer:?} with {public}");
                }
            }
        }
    }
}

/// Whoever knows a public key could otherwise authenticate with it as if it were a secret.
#[test]
fn no_public_key_is_ever_a_secret() {
    for pair in pairs() {
        let key = bare(&pair);
        let number = BASE64_URL_SAFE_NO_PAD.decode(key.get("n").or(key.get("x")).unwrap().as_str().unwrap()).unwrap();
        for secret in [key.to_string().into_bytes(), number] {
            let jws = UnverifiedJws::parse(&authenticated(&secret)).unwrap();
            assert_eq!(jws.verify(&set(std::slice::from_ref(&key)), ALL), Err(JwtFault::AlgorithmNotAllowed));
            assert_eq!(jws.verify_with(&Jwk::parse(&key).unwrap(), &[Hs256]), Err(JwtFault::AlgorithmNotAllowed));
        }
    }
}

#[test]
fn a_secret_verifies_what_was_made_with_it_and_is_long_enough() {
    let jws = UnverifiedJws::parse(&authenticated(SECRET)).unwrap();
    assert_eq!(jws.verify_hmac(SECRET).unwrap()["iss"], "joe");
    assert_eq!(jws.verify_hmac(b"another secret that is thirty-two bytes"), Err(JwtFault::BadSignature));
    for short in [&b""[..], &[7; 31]] {
        let jws = UnverifiedJws::parse(&authenticated(short)).unwrap();
        assert_eq!(jws.verify_hmac(short), Err(JwtFault::ShortSecret));
    }
    assert!(UnverifiedJws::parse(&authenticated(&[7; 32])).unwrap().verify_hmac(&[7; 32]).is_ok());
    let none = UnverifiedJws::parse(&format!("{}.{}.", encode(r#"{"alg":"HS256"}"#), encode("{}"))).unwrap();
    assert_eq!(none.verify_hmac(SECRET), Err(JwtFault::BadSignature));
}

/// Signatures that are special: empty, of zeros, too short, too long, in the other of the two forms (RFC 7518 3.4).
#[test]
fn a_signature_has_one_form() {
    for pair in pairs() {
        let jws = signed(&json!({"alg": pair.algorithm()}), &pair);
        let (rest, signature) = jws.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut der = vec![0x30, 0x44, 0x02, 0x20];
        der.extend(&signature[..32]);
        der.extend([0x02, 0x20]);
        der.extend(&signature[32..]);
        for other in [
            vec![],
            vec![0; signature.len()],
            signature[1..].to_vec(),
            signature[..signature.len() - 1].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
            signature.iter().rev().copied().collect(),
            der,
        ] {
            let jws = format!("{rest}.{}", encode(&other));
            assert_eq!(verified(&jws, &set(&[bare(&pair)]), ALL), Err(JwtFault::NoKeyVerifies), "{} {other:?}", pair.algorithm());
        }
    }
}

/// What fuzzing begins with: nothing that is sent here panics, and nothing that was changed is verified.
#[test]
fn what_was_changed_anywhere_is_not_verified() {
    let (pair, _) = SigningPair::generate(EdDsa).unwrap();
    let jws = signed(&json!({"alg": "EdDSA", "kid": "a"}), &pair);
    let keys = set(&[named(bare(&pair), "a")]);
    assert!(verified(&jws, &keys, ALL).is_ok());
    for at in 0..jws.len() {
        for byte in [0, b'.', b'=', b'-', b'/', b'A', b'z', b'9', b' ', 0x7f] {
            let mut changed = jws.clone().into_bytes();
            if changed[at] == byte {
                continue;
            }
            changed[at] = byte;
            assert!(verified(&String::from_utf8(changed).unwrap(), &keys, ALL).is_err(), "{byte} at {at}");
        }
        assert!(verified(&jws[..at], &keys, ALL).is_err());
        assert!(verified(&jws[at..], &keys, ALL).is_err() || at == 0);
        let doubled = format!("{}{}", &jws[..at], &jws[at.saturating_sub(1)..]);
        assert!(verified(&doubled, &keys, ALL).is_err() || at == 0, "{doubled}");
    }
}

/// The same for the text of a key set, and for what it holds.
#[test]
fn no_key_set_panics() {
    let text = json!({"keys": vectors::all_kinds()}).to_string();
    let (mut read, mut refused) = (0, 0);
    let mut take =
        |text: &[u8]| match serde_json::from_slice::<Value>(text).map_err(drop).and_then(|set| PublicKeys::parse(&set).map_err(drop)) {
            Ok(keys) => read += keys.keys().len(),
            Err(()) => refused += 1,
        };
    for at in 0..text.len() {
        for byte in [b'"', b'{', b'[', b'0', b'A', b'-', b'_', b'z', 0xff] {
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            take(&changed);
        }
        take(&text.as_bytes()[..at]);
    }
    assert!(read > 1000 && refused > 1000, "{read} keys read, {refused} sets refused: the changes have lost their bite");
}

#[test]
fn what_is_said_may_stand_in_an_error_description() {
    use JwtFault::*;
    for fault in [
        TooLong,
        NotCompact,
        NotBase64,
        NotJson,
        NameTwice,
        Critical,
        Unencoded,
        Header,
        NotSigned,
        UnknownAlgorithm,
        AlgorithmNotAllowed,
        UnknownKey,
        WrongKey,
        NoKeyVerifies,
        BadSignature,
        ShortSecret,
    ] {
        // RFC 6749 5.2
        assert!(fault.to_string().chars().all(|c| matches!(c, ' '..='!' | '#'..='[' | ']'..='~')), "{fault}");
        assert_eq!(fault.new_keys_may_help(), matches!(fault, UnknownKey | NoKeyVerifies), "{fault}");
    }
}

#[test]
fn nothing_of_it_is_shown_by_accident() {
    let jws = UnverifiedJws::parse(vectors::RFC7515_ES256).unwrap();
    let shown = format!("{jws:?}");
    assert!(shown.contains("Es256") && !shown.contains("joe") && !shown.contains("DtEh"), "{shown}");
}
