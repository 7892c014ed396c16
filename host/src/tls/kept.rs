//! What was read from files, and is read again when they change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// How files look from outside: which file it is, its length, and when it changed.
type Looks = Vec<Option<(u64, u64, i64, i64)>>;

/// Makes something of files.
type Read<T> = dyn Fn(&[PathBuf]) -> anyhow::Result<T> + Send + Sync;

/// What some files say, kept while they are replaced by others that say nothing useful.
pub(super) struct Kept<T> {
    /// For messages.
    what: &'static str,
    paths: Vec<PathBuf>,
    read: Box<Read<T>>,
    current: RwLock<Arc<T>>,
    seen: Mutex<Seen>,
}

/// Which state of the files was last tried, and which one was last seen.
struct Seen {
    tried: Looks,
    last: Looks,
}

impl<T> std::fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl<T> Kept<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// What `read` says.
    pub(super) fn open(
        what: &'static str,
        paths: Vec<PathBuf>,
        read: impl Fn(&[PathBuf]) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        // Looked at before they are read: what changes in between is seen as a change.
        let looks = looks(&paths);
        let current = RwLock::new(Arc::new(read(&paths)?));
        Ok(Self { what, paths, read: Box::new(read), current, seen: Mutex::new(Seen { tried: looks.clone(), last: looks }) })
    }

    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if they have changed and have stayed as they are since the last look: certificate and key
    /// are written one after the other.
    pub(super) fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = looks(&self.paths);
        let settled = looks == seen.last;
        seen.last.clone_from(&looks);
        if !settled || looks == seen.tried {
            return;
        }
        seen.tried = looks;
        match (self.read)(&self.paths) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!("{} changed: what the files say now is in force", self.what);
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    what = self.what,
                    error,
                    "changed files cannot be used, and what they said before stays in force.  do: write them again"
                );
            }
        }
    }
}

/// How they look now; `None` for what is not there.
fn looks(paths: &[PathBuf]) -> Looks {
    let look = |path: &Path| {
        let about = fs::metadata(path).ok()?;
        Some((about.ino(), about.len(), about.ctime(), about.ctime_nsec()))
    };
    paths.iter().map(|path| look(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(paths: &[PathBuf]) -> anyhow::Result<u32> {
        Ok(fs::read_to_string(&paths[0])?.parse()?)
    }

    #[test]
    fn a_change_is_taken_once_it_has_settled_and_a_broken_one_never() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        assert!(Kept::open("number", vec![path.clone()], number).is_err());
        fs::write(&path, "1").unwrap();
        let kept = Kept::open("number", vec![path.clone()], number).unwrap();
        kept.look();
        assert_eq!(*kept.get(), 1);
        let held = kept.get();
        for (written, after_one_look, after_two) in [(Some("22"), 1, 22), (Some("three"), 22, 22), (None, 22, 22), (Some("4444"), 22, 4444)]
        {
            match written {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            kept.look();
            assert_eq!(*kept.get(), after_one_look, "{written:?} was only just written");
            kept.look();
            assert_eq!(*kept.get(), after_two, "{written:?}");
        }
        assert_eq!(*held, 1, "whoever holds the old one keeps it");
    }
}
