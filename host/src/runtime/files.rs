//! The plugin folder as files: which there are, what they look like from outside, and what they hold.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::refusal::Refusal;
use super::settings;
use super::shape::{self, BYTES_MAX};
use crate::protocol::plugin::{ArtefactDigest, PluginName};

/// The longest `name.toml`, and the longest secret it points to, in bytes.
const TEXT_MAX: u64 = 1 << 20;

/// What a file looks like from outside: length, node and times. The same look means the same content, mostly.
pub(super) type Look = Option<(u64, u64, i64, i64, i64)>;

/// The files of one plugin.
pub(super) struct Files {
    folder: PathBuf,
    wasm: PathBuf,
    toml: PathBuf,
}

/// What was in them.
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    /// The text of `name.toml`; empty when there is none.
    pub(super) text: String,
    /// Whether there is a `name.toml`.
    pub(super) has_text: bool,
    /// `name.toml` is there and holds nothing: somebody is about to write it.
    pub(super) blank: bool,
    /// The files that the settings point to.
    pub(super) secrets: Vec<PathBuf>,
    /// What they looked like before they were read.
    pub(super) look: Vec<Look>,
    pub(super) content: ArtefactDigest,
    /// Of the component and `name.toml` alone.
    pub(super) file: ArtefactDigest,
}

impl Found {
    /// The same where something else serves: with the secrets of that.
    pub(super) fn instead(self, files: &Files, wasm: &ArtefactDigest, text: &str) -> Self {
        let secrets = settings::files(text, &files.folder);
        let look = files.look(&secrets);
        let content = content_of(wasm, text, false, &secrets);
        Self { secrets, look, content, ..self }
    }
}

impl Files {
    pub(super) fn of(folder: &Path, name: &PluginName) -> Self {
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        Self { folder: folder.to_owned(), wasm: file("wasm"), toml: file("toml") }
    }

    /// What they look like now, with the files that the settings pointed to when they were last read.
    pub(super) fn look(&self, secrets: &[PathBuf]) -> Vec<Look> {
        [&self.wasm, &self.toml].into_iter().chain(secrets).map(|path| look_of(path)).collect()
    }

    /// Whether there is a `.wasm` file, a symbolic link that leads nowhere included.
    pub(super) fn are_there(&self) -> bool {
        self.wasm.symlink_metadata().is_ok()
    }

    pub(super) fn read(&self) -> Result<Found, Refusal> {
        let unreadable = |error: Unreadable| Refusal::new("unreadable", error.to_string(), "let the host read it");
        let mut look = self.look(&[]);
        let bytes = match read(&self.wasm, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error @ Unreadable { why: Why::TooLong(_), .. }) => {
                return Err(shape::too_large(error.to_string()));
            }
            Err(error) => return Err(unreadable(error)),
        };
        let text = match read(&self.toml, TEXT_MAX) {
            Ok(text) => Some(text),
            Err(Unreadable { why: Why::Io(error), .. }) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(error)),
        };
        let has_text = text.is_some();
        let blank = text.as_ref().is_some_and(|text| text.trim_ascii().is_empty());
        let text = String::from_utf8(text.unwrap_or_default())
            .map_err(|_| Refusal::new("settings-file", format!("{} is not UTF-8", self.toml.display()), "save it as UTF-8"))?;
        let secrets = settings::files(&text, &self.folder);
        look.extend(secrets.iter().map(|path| look_of(path)));
        let wasm = ArtefactDigest::of(&bytes);
        let (content, file) = (content_of(&wasm, &text, blank, &secrets), content_of(&wasm, &text, blank, &[]));
        Ok(Found { bytes, text, has_text, blank, secrets, look, content, file })
    }
}

/// What [`Files::read`] would say of a plugin whose component and `name.toml` are these.
pub(super) fn content_of_version(wasm: &ArtefactDigest, text: &str, folder: &Path) -> ArtefactDigest {
    content_of(wasm, text, false, &settings::files(text, folder))
}

/// What [`Files::read`] would say of them without their secrets.
pub(super) fn file_of(wasm: &ArtefactDigest, text: &str) -> ArtefactDigest {
    content_of(wasm, text, false, &[])
}

/// One digest for all of it.
fn content_of(wasm: &ArtefactDigest, text: &str, blank: bool, secrets: &[PathBuf]) -> ArtefactDigest {
    let mut all = format!("{}\0{blank}\0{}\0{text}", wasm.0, text.len());
    for path in secrets {
        let secret = read(path, TEXT_MAX).map_or_else(|error| error.to_string(), |bytes| ArtefactDigest::of(&bytes).0);
        all.push('\0');
        all.push_str(&secret);
    }
    ArtefactDigest::of(all.as_bytes())
}

/// The plugins that have a `.wasm` file, and the `.wasm` files that cannot be a plugin's, because of their names.
pub(super) fn names_in(folder: &Path) -> io::Result<(BTreeSet<PluginName>, BTreeSet<String>)> {
    let (mut names, mut strange) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // What begins with a dot is another program's file on its way to a better name.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        match path.file_stem().and_then(|stem| stem.to_str()).ok_or("its name is not UTF-8".to_owned()).and_then(PluginName::parse) {
            Ok(name) => drop(names.insert(name)),
            Err(why) => drop(strange.insert(why)),
        }
    }
    Ok((names, strange))
}

/// Through symbolic links, so that a swapped link shows.
fn look_of(path: &Path) -> Look {
    let about = fs::metadata(path).ok()?;
    Some((about.len(), about.ino(), about.mtime(), about.mtime_nsec(), about.ctime_nsec()))
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub(super) struct Unreadable {
    path: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a file")]
    NotAFile,
    #[error("longer than the {} KiB that are read", .0 >> 10)]
    TooLong(u64),
}

/// The whole of a plain file that is not longer than this. Anything else could block for ever, or never end.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Unreadable> {
    read_plain(path, most).map_err(|why| Unreadable { path: path.display().to_string(), why })
}

/// What keeps `open` from waiting for whoever writes into a named pipe.
const O_NONBLOCK: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };

fn read_plain(path: &Path, most: u64) -> Result<Vec<u8>, Why> {
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
    // Of what was opened, whatever stands there by now.
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Why::NotAFile);
    }
    if about.len() > most {
        return Err(Why::TooLong(most));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
    // It may grow while it is read.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(Why::TooLong(most)) } else { Ok(bytes) }
}

/// A secret that a setting points to, without the line break at its end.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let bytes = read(path, TEXT_MAX).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_is_read_and_nothing_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("plain"), "text").unwrap();
        assert_eq!(read(&at("plain"), 4).unwrap(), b"text");
        assert!(matches!(read(&at("plain"), 3), Err(Unreadable { why: Why::TooLong(3), .. })));
        // Nobody will ever write into it.
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for other in [at("pipe"), directory.path().to_owned(), PathBuf::from("/dev/zero")] {
            assert!(matches!(read(&other, 4), Err(Unreadable { why: Why::NotAFile, .. })), "{}", other.display());
        }
    }
}
