//! The person's code, without which certain clients cannot disturb them (CIBA Core 7.1, `user_code`).

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::turns::Turn;
use super::{Flow, Refused};
use crate::clock::Random;
use crate::protocol::binding_message::is_unshowable;
use crate::protocol::client::Client;
use crate::protocol::error::ErrorCode;
use crate::protocol::transaction::Request;
use crate::runtime::CodeVerdict;
use crate::store::Parties;

/// How the text of a hash begins: what it is made with. The number of rounds follows, so that it can grow.
const SCHEME: &str = "pbkdf2-sha512";
/// Rounds of new hashes. A code is short, and nothing makes it long again; this makes each guess cost some 100 ms.
const ROUNDS: NonZeroU32 = NonZeroU32::new(210_000).expect("more than none");
/// The most rounds that a stored hash may ask for.
const ROUNDS_MAX: u32 = 10_000_000;
const LENGTH: usize = 32;
/// A new code: six digits, which a person can keep in mind.
pub fn made(random: Random) -> Zeroizing<String> {
    Zeroizing::new(format!("{:06}", u64::from_be_bytes(random.bytes()) % 1_000_000))
}

/// A code that somebody chose.
///
/// # Errors
/// When it cannot be one, in words.
pub fn chosen(code: &str) -> Result<Zeroizing<String>, String> {
    let characters = code.chars().count();
    if !(4..=32).contains(&characters) || code.trim() != code || code.chars().any(is_unshowable) {
        return Err("a code has 4 to 32 characters that can be seen, and begins and ends without white space".to_owned());
    }
    Ok(Zeroizing::new(code.to_owned()))
}

/// The hash of a code, as it is kept.
fn hash(code: &str, random: Random) -> String {
    let salt: [u8; 16] = random.bytes();
    let hash = derive(code, &salt, ROUNDS);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    format!("{SCHEME}${ROUNDS}${}${}", encode(&salt), encode(&hash[..]))
}

/// The same on a thread that may take its time.
///
/// # Errors
/// When there is no such thread.
pub async fn hashed(code: Zeroizing<String>, random: Random) -> Result<String, String> {
    tokio::task::spawn_blocking(move || hash(&code, random)).await.map_err(|error| format!("the code could not be hashed: {error}"))
}

/// Whether this is the code that was hashed. Compares in constant time.
fn verify(code: &str, hash: &str) -> bool {
    let Some((rounds, salt, kept)) = read(hash) else { return false };
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, rounds, &salt, code.as_bytes(), &kept).is_ok()
}

fn read(hash: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = hash.strip_prefix(SCHEME)?.strip_prefix('$')?.split('$');
    let rounds = parts.next()?.parse().ok().filter(|rounds: &NonZeroU32| rounds.get() <= ROUNDS_MAX)?;
    let mut decoded = || BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok();
    let (salt, kept) = (decoded()?, decoded()?);
    (parts.next().is_none() && kept.len() == LENGTH).then_some((rounds, salt, kept))
}

fn derive(code: &str, salt: &[u8], rounds: NonZeroU32) -> Zeroizing<[u8; LENGTH]> {
    let mut out = Zeroizing::new([0; LENGTH]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, salt, code.as_bytes(), &mut out[..]);
    out
}

impl Flow {
    /// Checks the code that came with a request, which has its person by now, or who stands for nobody.
    ///
    /// # Errors
    /// `missing_user_code` or `invalid_user_code`, or too many are compared already: they are work, and clients cause it. Or
    /// a plugin that was asked about it failed.
    pub(super) async fn check_user_code(
        &self,
        client: &Client,
        request: &Request,
        parties: &Parties,
        code: Option<&Zeroizing<String>>,
    ) -> Result<(), Refused> {
        if !client.metadata.backchannel_user_code_parameter {
            return Ok(());
        }
        let user = &request.user;
        let kept = if user.is_nobody() { None } else { self.store.user_code(user).await? };
        let Some(code) = code else {
            // Whoever has no code can be asked without; but where that would tell who is known, nobody can, nor where a
            // plugin may keep one: it is not asked without a code, because it could not tell one from none.
            let required = kept.is_some() || self.ciba.hide_unknown_users || self.plugins_keep_codes(request);
            return if required { Err(ErrorCode::MissingUserCode.into()) } else { Ok(()) };
        };
        // First, so that a code that is not looked at does not count as wrong.
        let ticket = self.code_turns.queue(&client.id)?;
        let tried = self.limits.try_code(&client.id, user, self.clock.now())?;
        let verdict = match self.verify_user_code(request, parties, code).await {
            Ok(verdict) => verdict,
            Err(error) => {
                // Nobody knows whether it was wrong, and an outage must not lock people out.
                self.limits.code_was_not_compared(&client.id, user, tried);
                return Err(error);
            }
        };
        let right = match verdict {
            CodeVerdict::Right => true,
            // What a plugin keeps of those who are known is told apart from what it does not by the time, unless the host
            // takes its own each time.
            CodeVerdict::Wrong if !self.ciba.hide_unknown_users => false,
            CodeVerdict::Wrong => compare(code.clone(), None, ticket.wait().await?).await?,
            // Nobody's code takes as long as anybody's.
            CodeVerdict::NotMine => compare(code.clone(), kept, ticket.wait().await?).await?,
        };
        if !right {
            return Err(ErrorCode::InvalidUserCode.into());
        }
        self.limits.code_was_right(&client.id, user, self.clock.now());
        Ok(())
    }
}

/// Compares on a thread that may take its time. The turn ends with the work, also when whoever asked has hung up: that
/// does not stop the thread.
async fn compare(code: Zeroizing<String>, kept: Option<String>, turn: Turn) -> Result<bool, Refused> {
    let work = move || {
        let _turn = turn;
        match kept {
            Some(kept) => verify(&code, &kept),
            None => {
                std::hint::black_box(derive(&code, &[0; 16], ROUNDS));
                false
            }
        }
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Refused::Internal(format!("a code could not be compared: {error}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::flow::turns::Turns;

    #[test]
    fn item_6_a_code_is_kept_as_a_slow_salted_hash() {
        let kept = hash("123456", Random);
        assert!(kept.starts_with("pbkdf2-sha512$210000$") && !kept.contains("123456"), "{kept}");
        assert_ne!(kept, hash("123456", Random), "two people with one code have one hash");
        assert!(verify("123456", &kept));
        for wrong in ["", "12345", "1234567", "654321"] {
            assert!(!verify(wrong, &kept), "{wrong}");
        }
    }

    #[test]
    fn who_hangs_up_while_a_code_is_compared_makes_no_room_for_another() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let turns = Arc::new(Turns::default());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        runtime.block_on(async {
            // The only thread for such work is taken for as long as we like.
            let _other = tokio::task::spawn_blocking(move || wait.recv());
            let turn = turns.queue(&"shop".into()).unwrap().wait().await.unwrap();
            assert!(compare(Zeroizing::new("1234".to_owned()), None, turn).now_or_never().is_none());
        });
        assert_eq!(turns.crowd(), 1, "the work is still to be done");
        drop((go, runtime));
        assert_eq!(turns.crowd(), 0);
    }

    #[test]
    fn a_code_is_made_or_chosen_and_can_be_typed_again() {
        let codes: std::collections::BTreeSet<String> = (0..50).map(|_| made(Random).to_string()).collect();
        assert!(
            codes.len() > 40 && codes.iter().all(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())),
            "{codes:?}"
        );
        for (code, good) in
            [("1234", true), ("Блюз-42", true), ("123", false), (" 1234", false), ("12\n34", false), (&"1".repeat(33), false)]
        {
            assert_eq!(chosen(code).is_ok(), good, "{code}");
        }
    }

    #[test]
    fn a_damaged_hash_opens_nothing() {
        let kept = hash("1", Random);
        let (head, tail) = kept.rsplit_once('$').unwrap();
        for damaged in ["", "$", "pbkdf2-sha512", head, &format!("{head}$"), &format!("{kept}$x"), &format!("{head}${}", &tail[..10])] {
            assert!(!verify("1", damaged), "{damaged}");
        }
        assert!(!verify("1", &kept.replace("$210000$", "$0$")));
        assert!(!verify("1", &kept.replace("$210000$", "$4000000000$")));
    }
}
