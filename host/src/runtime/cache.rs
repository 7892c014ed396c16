//! Precompiled components.
//!
//! Loading one is as trusted as running native code, so a cached file is named by what it was made from and for,
//! lies in a private directory, is never overwritten, and is authenticated with a key of this installation before
//! a byte of it is used. Nothing precompiled is ever taken from the plugin folder.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use wasmtime::component::Component;

use crate::protocol::plugin::ArtefactDigest;

const MAC_LENGTH: usize = 32;
/// How the names of its files end.
const FINISHED: &str = ".cwasm";
const UNFINISHED: &str = ".new";

pub(super) struct Cache {
    directory: PathBuf,
    key: hmac::Key,
}

impl Cache {
    /// Opens the directory, with no access for others, and leaves in it only what this engine can use.
    pub(super) fn open(directory: &Path, key: &[u8; 32], engine: &wasmtime::Engine) -> std::io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        let ours = ending(engine);
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // Of another version of this program, or half written when it was killed.
            if name.ends_with(UNFINISHED) || (name.ends_with(FINISHED) && !name.ends_with(&ours)) {
                fs::remove_file(&path)?;
            }
        }
        Ok(Self { directory: directory.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, key) })
    }

    fn path(&self, engine: &wasmtime::Engine, digest: &ArtefactDigest) -> PathBuf {
        self.directory.join(format!("{}{}", digest.0, ending(engine)))
    }

    /// The component, if it was compiled by this engine on this installation before.
    pub(super) fn load(&self, engine: &wasmtime::Engine, digest: &ArtefactDigest) -> Option<Component> {
        let path = self.path(engine, digest);
        let file = fs::read(&path).ok()?;
        let (mac, code) = file.split_at_checked(MAC_LENGTH)?;
        if hmac::verify(&self.key, &Self::authenticated(&path, code), mac).is_err() {
            tracing::warn!(path = %path.display(), "a cached component is not ours or is damaged; it is compiled again");
            let _ = fs::remove_file(&path);
            return None;
        }
        #[expect(unsafe_code, reason = "these bytes were written by `store` below, which the check above has shown")]
        // SAFETY: the code was made by `Engine::precompile_component` or `Component::serialize` of this program, and
        // has not changed since: its MAC covers it and the name that says what it was made from and for.
        let component = unsafe { Component::deserialize(engine, code) };
        component.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a cached component cannot be used")).ok()
    }

    /// Keeps a compiled component. A failure costs time at the next start, nothing else.
    pub(super) fn store(&self, component: &Component, digest: &ArtefactDigest) {
        let path = self.path(component.engine(), digest);
        if path.exists() {
            return;
        }
        if let Err(error) = self.write(&path, component) {
            tracing::warn!(path = %path.display(), %error, "a compiled component could not be cached");
        }
    }

    fn write(&self, path: &Path, component: &Component) -> anyhow::Result<()> {
        let code = component.serialize()?;
        let mac = hmac::sign(&self.key, &Self::authenticated(path, &code));
        let temporary = path.with_extension(format!("{}{UNFINISHED}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(mac.as_ref())?;
        file.write_all(&code)?;
        drop(file);
        fs::rename(&temporary, path)?;
        Ok(())
    }

    /// What the MAC covers: the name, so that one plugin's code cannot stand under another's, and the code.
    fn authenticated(path: &Path, code: &[u8]) -> Vec<u8> {
        let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(name.len() + 1 + code.len());
        bytes.extend_from_slice(&name);
        bytes.push(0);
        bytes.extend_from_slice(code);
        bytes
    }
}

/// How the files of this engine end.
fn ending(engine: &wasmtime::Engine) -> String {
    use std::hash::{Hash as _, Hasher as _};
    // Same build of this program, same answer: that is all that is asked of the hash here.
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("-{:016x}{FINISHED}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_engine_here_can_use_is_cleared_away() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("cache");
        fs::create_dir(&folder).unwrap();
        let engine = wasmtime::Engine::default();
        let ours = format!("abc{}", ending(&engine));
        for name in [ours.as_str(), "abc-0123456789abcdef.cwasm", "abc.17.new", "README"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        Cache::open(&folder, &[0; 32], &engine).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, ["README", ours.as_str()]);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn machine_code_that_is_not_ours_is_not_run() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let open = |key| Cache::open(directory.path(), &[key; 32], &engine).unwrap();
        let (cache, digest, other) = (open(1), ArtefactDigest::of(b"one"), ArtefactDigest::of(b"other"));
        let path = cache.path(&engine, &digest);
        let component = Component::new(&engine, b"\0asm\x0d\0\x01\0").unwrap();
        let store = || cache.store(&component, &digest);
        store();
        assert!(cache.load(&engine, &digest).is_some());
        // Not under another one's name, and not by another installation.
        fs::copy(&path, cache.path(&engine, &other)).unwrap();
        assert!(cache.load(&engine, &other).is_none());
        assert!(open(2).load(&engine, &digest).is_none() && !path.exists());
        // Not one bit of it may be another.
        store();
        let whole = fs::read(&path).unwrap();
        for at in [0, MAC_LENGTH, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(cache.load(&engine, &digest).is_none() && !path.exists(), "byte {at}");
        }
        for cut in [0, MAC_LENGTH, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(cache.load(&engine, &digest).is_none(), "cut at {cut}");
        }
    }
}
