use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::*;
use crate::protocol::algorithm::JwsAlgorithm::{Ed25519, EdDsa, Es256, Ps256, Rs256};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Keys {
    directory: tempfile::TempDir,
    policy: KeyPolicy,
    now: Timestamp,
}

impl Keys {
    fn of(algorithms: &[JwsAlgorithm]) -> Self {
        let policy = KeyPolicy { algorithms: algorithms.to_vec(), rotate_after: Some(90 * DAY), overlap: DAY, keep: 30 * DAY };
        Self { directory: tempfile::tempdir().unwrap(), policy, now: "2026-11-24T09:00:00Z".parse().unwrap() }
    }

    fn open(&self) -> KeyRing {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> anyhow::Result<KeyRing> {
        KeyRing::open(self.directory.path(), self.policy.clone(), self.now)
    }

    fn files(&self) -> Vec<String> {
        let listed = fs::read_dir(self.directory.path()).unwrap();
        let mut files: Vec<String> = listed.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.directory.path().join(file)).unwrap();
    }
}

fn token(ring: &KeyRing, alg: JwsAlgorithm) -> UnverifiedJws {
    UnverifiedJws::parse(&ring.sign(alg, "JWT", &json!({"sub": "alice"})).unwrap()).unwrap()
}

fn kid(jws: &UnverifiedJws) -> &str {
    jws.header().kid.as_deref().unwrap()
}

fn published(ring: &KeyRing, now: Timestamp) -> Vec<String> {
    ring.jwks(now).keys().iter().map(|key| key.kid.clone().unwrap()).collect()
}

/// What a client does: it reads the document, and knows nothing of the ring.
fn client_verifies(ring: &KeyRing, now: Timestamp, jws: &UnverifiedJws) -> bool {
    let document = serde_json::to_value(ring.jwks(now)).unwrap();
    jws.verify(&PublicKeys::parse(&document).unwrap(), &[jws.header().alg]).is_ok()
}

#[test]
fn there_is_a_key_for_each_algorithm_and_it_survives() {
    let keys = Keys::of(&JwsAlgorithm::ASYMMETRIC);
    let ring = keys.open();
    let tokens = JwsAlgorithm::ASYMMETRIC.map(|alg| token(&ring, alg));
    assert_eq!(published(&ring, keys.now).len(), 5);
    assert!(ring.jwks(keys.now).is_complete());
    for file in keys.files() {
        let mode = fs::metadata(keys.directory.path().join(&file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let mut expected: Vec<String> = tokens[1..].iter().map(|jws| format!("{}.{}.pkcs8", jws.header().alg, kid(jws))).collect();
    expected.extend(["signing.pkcs8".to_owned(), "ring.json".to_owned()]);
    expected.sort();
    assert_eq!(keys.files(), expected);

    let again = keys.open();
    assert_eq!(again.list(), ring.list());
    for jws in &tokens {
        assert!(client_verifies(&again, keys.now, jws) && again.verify_own(jws).is_ok(), "{jws:?}");
        assert_eq!(kid(&token(&again, jws.header().alg)), kid(jws));
    }
    assert_eq!(serde_json::to_value(again.jwks(keys.now)).unwrap(), serde_json::to_value(ring.jwks(keys.now)).unwrap());
}

/// One key for both names of Ed25519, which its owner has imported twice: each name finds its own entry.
#[test]
fn one_key_may_sign_under_both_of_its_names() {
    let keys = Keys::of(&[Es256, EdDsa, Ed25519]);
    let ring = keys.open();
    let (before, (_, der)) = ([EdDsa, Ed25519].map(|alg| token(&ring, alg)), SigningPair::generate(EdDsa).unwrap());
    for alg in [EdDsa, Ed25519] {
        ring.import(alg, &der, keys.now).unwrap();
    }
    let document = serde_json::to_value(ring.jwks(keys.now)).unwrap();
    let mut named: Vec<_> = document["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["ES256", "Ed25519", "Ed25519", "EdDSA", "EdDSA"]);
    for jws in &before {
        assert!(client_verifies(&ring, keys.now, jws));
    }
}

#[test]
fn the_key_of_a_host_that_had_only_one_goes_on() {
    let keys = Keys::of(&[Es256, EdDsa]);
    let (pair, der) = SigningPair::generate(Es256).unwrap();
    crate::jose::write_private(&keys.directory.path().join("signing.pkcs8"), &der).unwrap();
    let ring = keys.open();
    assert_eq!(kid(&token(&ring, Es256)), pair.kid());
    assert_eq!(kid(&token(&keys.open(), Es256)), pair.kid());
    assert_eq!(fs::read(keys.directory.path().join("signing.pkcs8")).unwrap(), *der);
}

#[test]
fn a_document_that_lacks_a_key_says_so() {
    let keys = Keys::of(&[Es256, Ps256]);
    let ring = keys.open();
    // The RSA key is made on a thread of its own: the document may be there before it.
    let early = ring.jwks(keys.now);
    assert_eq!(early.is_complete(), early.keys().len() == 2);
    token(&ring, Ps256);
    assert!(ring.jwks(keys.now).is_complete());
}

#[test]
fn a_key_is_replaced_without_a_token_becoming_worthless() {
    let mut keys = Keys::of(&[Es256, EdDsa]);
    let ring = keys.open();
    let old = token(&ring, Es256);
    let other = token(&ring, EdDsa);

    let changes = ring.rotate(Some(Es256), None, keys.now).unwrap();
    let [Change::Published { kid: next, active_at, .. }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(*active_at, keys.now + PUBLISH_AHEAD);
    assert_eq!(ring.rotate(Some(Es256), None, keys.now).unwrap(), [], "one is on its way already");
    // It is published, and does not sign: caches learn it first.
    assert!(published(&ring, keys.now).contains(next));
    assert_eq!(kid(&token(&ring, Es256)), kid(&old));
    keys.now += PUBLISH_AHEAD - MINUTE;
    assert_eq!(ring.advance(keys.now).unwrap(), []);
    assert_eq!(kid(&token(&ring, Es256)), kid(&old));

    keys.now += MINUTE;
    assert_eq!(ring.advance(keys.now).unwrap().len(), 2);
    let new = token(&ring, Es256);
    assert_eq!(kid(&new), next);
    assert_eq!(kid(&token(&ring, EdDsa)), kid(&other));
    assert!(client_verifies(&ring, keys.now, &old) && client_verifies(&ring, keys.now, &new));
    // What signs no more is not kept.
    assert!(!keys.files().contains(&"signing.pkcs8".to_owned()), "{:?}", keys.files());
    assert!(keys.files().contains(&format!("ES256.{next}.pkcs8")));

    // The overlap is over: clients no longer find it, and an id_token_hint that it signed is still ours.
    let reopened = keys.open();
    keys.now += DAY;
    reopened.advance(keys.now).unwrap();
    assert!(!client_verifies(&reopened, keys.now, &old) && client_verifies(&reopened, keys.now, &new));
    assert_eq!(reopened.verify_own(&old).unwrap()["sub"], "alice");
    keys.now += 29 * DAY;
    reopened.advance(keys.now).unwrap();
    assert_eq!(reopened.verify_own(&old), Err(JwtFault::UnknownKey));
    assert!(reopened.verify_own(&new).is_ok());
    assert_eq!(reopened.list().len(), 2);
    assert_eq!(keys.open().list(), reopened.list());
}

#[test]
fn a_rotation_has_the_overlap_that_was_asked_for() {
    let mut keys = Keys::of(&[Es256]);
    let ring = keys.open();
    let old = token(&ring, Es256);
    ring.rotate(None, Some(SignedDuration::ZERO), keys.now).unwrap();
    // It is remembered until it is needed.
    let ring = keys.open();
    keys.now += PUBLISH_AHEAD;
    ring.advance(keys.now).unwrap();
    assert!(!client_verifies(&ring, keys.now, &old));
    assert!(client_verifies(&ring, keys.now, &token(&ring, Es256)));
    assert!(ring.rotate(Some(Rs256), None, keys.now).unwrap_err().to_string().contains("RS256 is not among"));
}

/// A year in steps of an hour, with a restart on every tenth day: what clients keep for as long as they may never lacks
/// the key of a token they get.
#[test]
fn the_schedule_replaces_keys_for_a_year_and_every_token_is_verified() {
    let mut keys = Keys::of(&[Es256, EdDsa]);
    let mut ring = keys.open();
    let mut cached = (keys.now, ring.jwks(keys.now));
    let mut seen = std::collections::BTreeSet::new();
    let step = SignedDuration::from_secs(300);
    for number in 0..365 * 24 {
        keys.now += SignedDuration::from_hours(1);
        for _ in 0..3 {
            ring.advance(keys.now).unwrap();
            let jws = token(&ring, Es256);
            seen.insert(kid(&jws).to_owned());
            if keys.now.duration_since(cached.0) > step {
                cached = (keys.now, ring.jwks(keys.now));
            }
            let document = serde_json::to_value(&cached.1).unwrap();
            assert!(jws.verify(&PublicKeys::parse(&document).unwrap(), &[Es256]).is_ok(), "hour {number}");
            keys.now += step;
        }
        if number % 240 == 239 {
            ring = keys.open();
        }
        keys.now -= 3 * step;
    }
    assert_eq!(seen.len(), 5, "a year has four changes of 90 days");
    assert_eq!(keys.files().len(), 3, "{:?}", keys.files());
}

#[test]
fn a_key_that_was_taken_away_is_believed_no_more() {
    let keys = Keys::of(&[Es256, EdDsa]);
    let ring = keys.open();
    let (stolen, other) = (token(&ring, Es256), token(&ring, EdDsa));
    keys.remove("signing.pkcs8");
    let ring = keys.open();
    assert_ne!(kid(&token(&ring, Es256)), kid(&stolen));
    assert!(!client_verifies(&ring, keys.now, &stolen));
    assert_eq!(ring.verify_own(&stolen), Err(JwtFault::UnknownKey));
    assert!(ring.verify_own(&other).is_ok());
}

/// What docs/operator.md says of a key that was stolen: its file goes, and the host makes a new one.
#[test]
fn the_key_that_follows_a_stolen_one_is_still_there_at_the_next_start() {
    let mut keys = Keys::of(&[Es256]);
    let ring = keys.open();
    ring.rotate(None, None, keys.now).unwrap();
    keys.now += PUBLISH_AHEAD;
    ring.advance(keys.now).unwrap();
    keys.remove(&format!("ES256.{}.pkcs8", kid(&token(&ring, Es256))));
    let made = kid(&token(&keys.open(), Es256)).to_owned();
    for _ in 0..2 {
        assert_eq!(kid(&token(&keys.open(), Es256)), made);
    }

    // A ring of a host that gave the new key the file of the retired one.
    let shared = fs::read_to_string(keys.directory.path().join("ring.json")).unwrap();
    let shared = shared.replace(&format!("ES256.{made}.pkcs8"), FIRST);
    crate::jose::write_private(&keys.directory.path().join("ring.json"), shared.as_bytes()).unwrap();
    fs::rename(keys.directory.path().join(format!("ES256.{made}.pkcs8")), keys.directory.path().join(FIRST)).unwrap();
    for _ in 0..2 {
        assert_eq!(kid(&token(&keys.open(), Es256)), made);
    }
}

#[test]
fn a_host_that_was_killed_in_the_middle_finds_its_keys() {
    let mut keys = Keys::of(&[Es256, EdDsa]);
    let ring = keys.open();
    let tokens = [token(&ring, Es256), token(&ring, EdDsa)];
    ring.rotate(Some(EdDsa), None, keys.now).unwrap();
    // The files were written, and the ring was not: the older signs, and the younger is next.
    keys.remove("ring.json");
    let younger = ring.list().into_iter().find(|entry| entry.is_next()).unwrap();
    let path = keys.directory.path().join(&younger.file);
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
    let ring = keys.open();
    for jws in &tokens {
        assert_eq!(kid(&token(&ring, jws.header().alg)), kid(jws));
    }
    keys.now += PUBLISH_AHEAD;
    ring.advance(keys.now).unwrap();
    assert_eq!(kid(&token(&ring, EdDsa)), younger.kid);

    // The ring was written, and the file of the retired key not yet removed.
    let retired = format!("EdDSA.{}.pkcs8", kid(&tokens[1]));
    assert!(!keys.files().contains(&retired));
    fs::write(keys.directory.path().join(&retired), "whatever").unwrap();
    // And one was being written.
    for file in ["signing.new", "PS256.AAAA.new"] {
        fs::write(keys.directory.path().join(file), "half").unwrap();
    }
    keys.open();
    assert!(!keys.files().iter().any(|file| file.ends_with(".new")), "{:?}", keys.files());
    assert!(!keys.files().contains(&retired), "a key that signs no more is kept");
}

#[test]
fn what_cannot_be_read_is_not_replaced() {
    let keys = Keys::of(&[Es256]);
    keys.open();
    let path = |file: &str| keys.directory.path().join(file);
    let good = fs::read(path("signing.pkcs8")).unwrap();
    let refused = |says: &str| {
        let said = format!("{:#}", keys.try_open().unwrap_err());
        assert!(said.contains(says), "{said}");
    };
    fs::write(path("signing.pkcs8"), "x").unwrap();
    refused("restore it from a backup");
    fs::write(path("signing.pkcs8"), SigningPair::generate(Es256).unwrap().1).unwrap();
    refused("holds another key than ring.json says");
    fs::write(path("signing.pkcs8"), &good).unwrap();
    fs::set_permissions(path("signing.pkcs8"), fs::Permissions::from_mode(0o644)).unwrap();
    refused("chmod 600");
    fs::set_permissions(path("signing.pkcs8"), fs::Permissions::from_mode(0o600)).unwrap();
    let ring = fs::read_to_string(path("ring.json")).unwrap();
    for (damaged, says) in [
        ("{".to_owned(), "ring.json cannot be read: restore it from a backup"),
        (ring.replace("ES256", "HS999"), "ring.json cannot be read"),
        (ring.replace("P-256", "P-999"), "ring.json: the public key"),
    ] {
        fs::write(path("ring.json"), &damaged).unwrap();
        refused(says);
        assert_eq!(fs::read_to_string(path("ring.json")).unwrap(), damaged, "it was overwritten");
    }
    fs::write(path("ring.json"), &ring).unwrap();
    keys.open();
    assert_eq!(fs::read(path("signing.pkcs8")).unwrap(), good);
}

#[test]
fn an_algorithm_that_is_taken_out_is_still_verified_and_signs_no_more() {
    let mut keys = Keys::of(&[Es256, EdDsa]);
    let jws = token(&keys.open(), EdDsa);
    keys.policy.algorithms = vec![Es256];
    let ring = keys.open();
    assert!(ring.sign(EdDsa, "JWT", &json!({})).unwrap_err().to_string().contains("EdDSA is not among"));
    assert!(client_verifies(&ring, keys.now, &jws));
    assert_eq!(keys.files(), ["ring.json", "signing.pkcs8"]);
    keys.policy.algorithms = vec![Es256, EdDsa];
    let ring = keys.open();
    assert_ne!(kid(&token(&ring, EdDsa)), kid(&jws));
    assert!(client_verifies(&ring, keys.now, &jws));
}

#[test]
fn a_key_that_was_made_elsewhere_takes_its_turn() {
    let mut keys = Keys::of(&[Es256]);
    let ring = keys.open();
    let made_here = token(&ring, Es256);
    let (pair, der) = SigningPair::generate(Es256).unwrap();
    // Whatever was to come next gives way.
    ring.rotate(None, None, keys.now).unwrap();
    assert_eq!(ring.import(Es256, &der, keys.now).unwrap().len(), 1);
    assert_eq!(ring.import(Es256, &der, keys.now).unwrap(), [], "it is here already");
    assert_eq!(published(&ring, keys.now), [kid(&made_here), pair.kid()]);
    assert_eq!(keys.files().len(), 3, "{:?}", keys.files());
    keys.now += PUBLISH_AHEAD;
    ring.advance(keys.now).unwrap();
    assert_eq!(kid(&token(&ring, Es256)), pair.kid());
    // The schedule does not replace it.
    keys.now += 400 * DAY;
    ring.advance(keys.now).unwrap();
    assert_eq!(kid(&token(&keys.open(), Es256)), pair.kid());
    assert_eq!(ring.list().len(), 1);

    ring.rotate(None, None, keys.now).unwrap();
    keys.now += PUBLISH_AHEAD;
    ring.advance(keys.now).unwrap();
    assert!(ring.import(Es256, &der, keys.now).unwrap_err().to_string().contains("was retired here before"));
    assert!(ring.import(EdDsa, &der, keys.now).is_err(), "it is of another kind");
    assert!(ring.import(Es256, b"x", keys.now).unwrap_err().to_string().contains("not a key for ES256"));
}

/// OpenSSL writes one file for both algorithms of RSA, and an operator may name it for both.
#[test]
fn one_rsa_key_can_serve_two_algorithms() {
    let keys = Keys::of(&[Es256]);
    let (pair, der) = SigningPair::generate(Ps256).unwrap();
    for file in [format!("PS256.{}.pkcs8", pair.kid()), format!("RS256.{}.pkcs8", pair.kid())] {
        crate::jose::write_private(&keys.directory.path().join(file), &der).unwrap();
    }
    let policy = KeyPolicy { algorithms: vec![Es256, Ps256, Rs256], ..keys.policy.clone() };
    let ring = KeyRing::open(keys.directory.path(), policy, keys.now).unwrap();
    for alg in [Ps256, Rs256] {
        let jws = token(&ring, alg);
        assert_eq!((jws.header().alg, kid(&jws)), (alg, pair.kid()));
        assert!(client_verifies(&ring, keys.now, &jws) && ring.verify_own(&jws).is_ok());
    }
    let document = serde_json::to_value(ring.jwks(keys.now)).unwrap();
    let algorithms: Vec<&str> = document["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algorithms.len(), 3);
    assert!(algorithms.contains(&"PS256") && algorithms.contains(&"RS256"), "{algorithms:?}");
}

#[test]
fn only_what_names_its_key_is_ours() {
    let ring = Keys::of(&[Es256]).open();
    let jws = UnverifiedJws::parse(crate::jose::vectors::RFC7515_ES256).unwrap();
    assert_eq!(ring.verify_own(&jws), Err(JwtFault::UnknownKey));
    let stranger = token(&Keys::of(&[Es256]).open(), Es256);
    assert_eq!(ring.verify_own(&stranger), Err(JwtFault::UnknownKey));
}

#[test]
fn nothing_private_is_published_or_shown() {
    let keys = Keys::of(&[Es256, EdDsa]);
    let ring = keys.open();
    token(&ring, EdDsa);
    let (document, shown) = (serde_json::to_value(ring.jwks(keys.now)).unwrap(), format!("{ring:?}"));
    for key in document["keys"].as_array().unwrap() {
        for (name, _) in key.as_object().unwrap() {
            assert!(["kty", "crv", "x", "y", "use", "alg", "kid"].contains(&name.as_str()), "{name}");
        }
    }
    // RFC 8410 7: the seed of an Ed25519 key stands last.
    let file = keys.files().into_iter().find(|file| file.starts_with("EdDSA")).unwrap();
    let seed = fs::read(keys.directory.path().join(&file)).unwrap().split_off(16);
    assert_eq!(seed.len(), 32);
    let remembered = fs::read_to_string(keys.directory.path().join("ring.json")).unwrap();
    for text in [&document.to_string(), &shown, &remembered] {
        assert!(!text.contains(&base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, &seed)), "{text}");
    }
}

#[test]
fn many_threads_sign_while_keys_change() {
    let keys = Keys::of(&[Es256]);
    let ring = keys.open();
    std::thread::scope(|scope| {
        let signing = [0; 4].map(|_| {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert!(ring.verify_own(&token(&ring, Es256)).is_ok());
                }
            })
        });
        let mut now = keys.now;
        while !signing.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            ring.rotate(None, None, now).unwrap();
            now += PUBLISH_AHEAD;
            ring.advance(now).unwrap();
        }
    });
}

#[test]
fn whoever_signs_waits_for_a_key_in_the_making_and_hears_when_none_comes() {
    let keys = Keys::of(&[Es256, EdDsa]);
    let ring = keys.open();
    token(&ring, EdDsa);
    let none = |making| {
        ring.0.change(|current| {
            current.entries.retain(|entry| entry.alg != EdDsa);
            Ok(Vec::new())
        })?;
        lock(&ring.0.making).insert(EdDsa, making);
        anyhow::Ok(())
    };
    none(Making::UnderWay).unwrap();
    assert_eq!(ring.advance(keys.now).unwrap(), [], "it would be made twice");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| token(&ring, EdDsa));
        ring.0.make_slowly(vec![EdDsa], keys.now);
        assert!(ring.verify_own(&waiting.join().unwrap()).is_ok());
    });
    none(Making::Failed("the disk is full".to_owned())).unwrap();
    assert!(ring.sign(EdDsa, "JWT", &json!({})).unwrap_err().to_string().contains("the disk is full"));
    assert!(!ring.jwks(keys.now).is_complete());
    assert_eq!(ring.advance(keys.now).unwrap().len(), 1, "it is tried again");
    assert!(ring.verify_own(&token(&ring, EdDsa)).is_ok());
}
