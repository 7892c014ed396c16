//! What was minted for a plugin, kept while it is good. Keys are not kept here: only what was made with them.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::super::contract::ciba::interception::refusals::Refusal;
use super::super::settings::{REDACTED, SECRET_MIN};
use crate::clock::Clock;

/// Credentials that are kept for one plugin. Whoever needs more of them makes room, and what was longest not asked for is
/// minted again.
const KEPT_MAX: usize = 64;
/// How long a failure is the answer to whoever asks the same: those who waited for it must not each wait as long.
pub(super) const FAILED: SignedDuration = SignedDuration::from_secs(1);
/// Credentials of one plugin that are blanked in what it says: more than one call is given, and than are kept.
const HANDED_OUT_MAX: usize = 256;

/// For what a credential is: its kind, its key and whatever else is in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Purpose([u8; SHA256_OUTPUT_LEN]);

impl Purpose {
    /// Of these parts, each of which counts for itself.
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; SHA256_OUTPUT_LEN];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}

/// What was minted, and until when it is given.
pub(super) struct Minted {
    pub(super) credential: Zeroizing<String>,
    pub(super) until: Timestamp,
}

struct Kept {
    answer: Result<Zeroizing<String>, Refusal>,
    from: Timestamp,
    until: Timestamp,
}

/// Held by whoever mints, so that one does and the others wait for it.
type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// See the module.
#[derive(Default)]
pub(in super::super) struct KeptCredentials(Mutex<HashMap<Purpose, (Place, Timestamp)>>);

impl KeptCredentials {
    /// What is kept for this purpose, or what `mint` makes now. That it failed is the answer for as long as `failed`.
    pub(super) async fn get(
        &self,
        purpose: Purpose,
        clock: &Clock,
        mint: impl Future<Output = Result<Minted, Refusal>>,
        failed: SignedDuration,
    ) -> Result<Zeroizing<String>, Refusal> {
        let place = self.place(purpose, clock.now());
        let mut kept = place.lock().await;
        let now = clock.now();
        // A clock that was set back would make it older than it is.
        if let Some(kept) = kept.as_ref().filter(|kept| kept.from <= now && now < kept.until) {
            return kept.answer.clone();
        }
        let (answer, until) = match mint.await {
            Ok(minted) => (Ok(minted.credential), minted.until),
            Err(refusal) => (Err(refusal), clock.now() + failed),
        };
        *kept = Some(Kept { answer: answer.clone(), from: now, until });
        answer
    }

    fn place(&self, purpose: Purpose, now: Timestamp) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((place, used)) = places.get_mut(&purpose) {
            *used = now;
            return Arc::clone(place);
        }
        if places.len() >= KEPT_MAX
            && let Some(oldest) = places.iter().min_by_key(|(_, (_, used))| *used).map(|(purpose, _)| *purpose)
        {
            places.remove(&oldest);
        }
        let place = Place::default();
        places.insert(purpose, (Arc::clone(&place), now));
        place
    }
}

/// What was given to a plugin, the latest at the end. Its instances may know it for longer than a call.
#[derive(Default)]
pub(in super::super) struct HandedOut(Mutex<VecDeque<Zeroizing<String>>>);

impl HandedOut {
    pub(in super::super) fn add(&self, credential: &str) {
        if credential.len() < SECRET_MIN {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.as_str() != credential);
        if all.len() >= HANDED_OUT_MAX {
            all.pop_front();
        }
        all.push_back(credential.to_owned().into());
    }

    /// The text without them.
    pub(in super::super) fn blank<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<&str> = all.iter().map(|known| known.as_str()).filter(|known| text.contains(known)).collect();
        // The longest first, or a part of it would keep it from being found.
        found.sort_by_key(|known| std::cmp::Reverse(known.len()));
        found.into_iter().fold(Cow::Borrowed(text), |text, known| Cow::Owned(text.replace(known, REDACTED)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct World {
        kept: KeptCredentials,
        clock: Clock,
        minted: AtomicU32,
    }

    impl World {
        fn new() -> Self {
            Self { kept: KeptCredentials::default(), clock: Clock::manual(Timestamp::UNIX_EPOCH), minted: AtomicU32::new(0) }
        }

        /// The number of the credential for this, each of which is good for a minute.
        async fn get(&self, purpose: &str) -> String {
            let mint = async {
                let number = self.minted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(Minted { credential: number.to_string().into(), until: self.clock.now() + SignedDuration::from_mins(1) })
            };
            self.kept.get(Purpose::of(&[purpose]), &self.clock, mint, FAILED).await.unwrap().to_string()
        }
    }

    #[tokio::test]
    async fn a_credential_is_given_again_until_it_ends() {
        let world = World::new();
        assert_eq!((world.get("a").await, world.get("b").await, world.get("a").await), ("0".into(), "1".into(), "0".into()));
        world.clock.advance(SignedDuration::from_secs(59));
        assert_eq!(world.get("a").await, "0");
        world.clock.advance(SignedDuration::from_secs(1));
        assert_eq!(world.get("a").await, "2");
        // What was made in the future is as good as nothing.
        world.clock.advance(SignedDuration::from_secs(-10));
        assert_eq!(world.get("a").await, "3");
    }

    #[tokio::test]
    async fn many_who_ask_at_once_wait_for_one() {
        let world = World::new();
        let all = futures_util::future::join_all((0..20).map(|_| world.get("a"))).await;
        assert_eq!((all, world.minted.into_inner()), (vec!["0".to_owned(); 20], 1));
    }

    #[tokio::test]
    async fn a_failure_is_the_answer_to_all_who_wait_and_then_no_more() {
        let world = World::new();
        let asked = AtomicU32::new(0);
        let ask = || {
            let mint = async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err(Refusal::Unavailable("away".to_owned()))
            };
            world.kept.get(Purpose::of(&["a"]), &world.clock, mint, FAILED)
        };
        let all = futures_util::future::join_all((0..20).map(|_| ask())).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        world.clock.advance(FAILED);
        assert_eq!(world.get("a").await, "0");
    }

    #[tokio::test]
    async fn a_failure_that_does_not_last_is_nobody_elses_answer() {
        let world = World::new();
        let withheld = async { Err(Refusal::Unavailable("this is a shadow".to_owned())) };
        assert!(world.kept.get(Purpose::of(&["a"]), &world.clock, withheld, SignedDuration::ZERO).await.is_err());
        assert_eq!(world.get("a").await, "0");
    }

    #[test]
    fn what_was_handed_out_is_blanked_wherever_it_stands() {
        let out = HandedOut::default();
        for credential in ["ya29.token", "ya29.token-longer", "abc"] {
            out.add(credential);
        }
        assert_eq!(out.blank("sent ya29.token-longer, then ya29.token and abc"), "sent [redacted], then [redacted] and abc");
        // Those that were given longest ago are forgotten, and what is given again is not among them.
        for number in 0..HANDED_OUT_MAX - 1 {
            out.add(&format!("number-{number:03}"));
            out.add("ya29.token");
        }
        assert_eq!(out.0.lock().unwrap().len(), HANDED_OUT_MAX);
        assert_eq!(out.blank("of ya29.token number-000"), "of [redacted] [redacted]");
        out.add("one-more");
        assert_eq!(out.blank("of ya29.token number-000"), "of [redacted] number-000");
    }

    #[tokio::test]
    async fn there_is_an_end_to_what_is_kept() {
        let world = World::new();
        for number in 0..KEPT_MAX {
            world.get(&format!("audience {number}")).await;
            world.clock.advance(SignedDuration::from_millis(1));
        }
        world.get("audience 0").await;
        world.get("one more").await;
        assert_eq!(world.kept.0.lock().unwrap().len(), KEPT_MAX);
        // The one that nobody had asked for was let go.
        let before = world.minted.load(Ordering::Relaxed);
        world.get("audience 0").await;
        assert_eq!(world.minted.load(Ordering::Relaxed), before);
        world.get("audience 1").await;
        assert_eq!(world.minted.load(Ordering::Relaxed), before + 1);
    }

    #[test]
    fn parts_that_are_cut_elsewhere_are_another_purpose() {
        assert!(Purpose::of(&["ab", "c"]) != Purpose::of(&["a", "bc"]));
        assert!(Purpose::of(&["a"]) == Purpose::of(&["a"]));
    }
}
