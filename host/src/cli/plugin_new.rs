//! `ciba-host plugin new NAME`: a small crate that is a plugin already.
//!
//! It is the example in `guest-ciba/example`, under another name, with everything it needs to build: the
//! author's crate and the contract are no packages on a registry, so the new crate carries a copy of both.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// What the example is called, in its files and in their names.
const EXAMPLE: &str = "hello-note";
const EXAMPLE_LIBRARY: &str = "hello_note";

/// The longest name of a plugin.
const NAME_MAX: usize = 64;

/// The crate's own files, by their paths in it. Paths and texts are rewritten for its name.
const OWN: &[(&str, &str)] = &[
    ("src/lib.rs", include_str!("../../../guest-ciba/example/src/lib.rs")),
    ("src/settings.schema.json", include_str!("../../../guest-ciba/example/src/settings.schema.json")),
    ("case.json", include_str!("../../../guest-ciba/example/case.json")),
    ("hello_note.toml", include_str!("../../../guest-ciba/example/hello_note.toml")),
    ("README.md", include_str!("../../../guest-ciba/example/README.md")),
    (".cargo/config.toml", include_str!("../../../guest-ciba/.cargo/config.toml")),
    (".gitignore", include_str!("../../../guest-ciba/.gitignore")),
];

/// The versions that the plugins we ship are built with. Cargo drops what the new crate does not use.
const LOCK: &str = include_str!("../../../guest-ciba/Cargo.lock");

const EXAMPLE_MANIFEST: &str = include_str!("../../../guest-ciba/example/Cargo.toml");
const WORKSPACE_MANIFEST: &str = include_str!("../../../guest-ciba/Cargo.toml");

/// The author's crate, as it is.
const AUTHORS_CRATE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../guest-ciba/ciba-guest/Cargo.toml")),
    ("src/allocator.rs", include_str!("../../../guest-ciba/ciba-guest/src/allocator.rs")),
    ("src/bindings.rs", include_str!("../../../guest-ciba/ciba-guest/src/bindings.rs")),
    ("src/clock.rs", include_str!("../../../guest-ciba/ciba-guest/src/clock.rs")),
    ("src/contract.rs", include_str!("../../../guest-ciba/ciba-guest/src/contract.rs")),
    ("src/hooks.rs", include_str!("../../../guest-ciba/ciba-guest/src/hooks.rs")),
    ("src/http.rs", include_str!("../../../guest-ciba/ciba-guest/src/http.rs")),
    ("src/http/url.rs", include_str!("../../../guest-ciba/ciba-guest/src/http/url.rs")),
    ("src/inbound.rs", include_str!("../../../guest-ciba/ciba-guest/src/inbound.rs")),
    ("src/lib.rs", include_str!("../../../guest-ciba/ciba-guest/src/lib.rs")),
    ("src/log.rs", include_str!("../../../guest-ciba/ciba-guest/src/log.rs")),
    ("src/random.rs", include_str!("../../../guest-ciba/ciba-guest/src/random.rs")),
    ("src/secrets.rs", include_str!("../../../guest-ciba/ciba-guest/src/secrets.rs")),
    ("src/settings.rs", include_str!("../../../guest-ciba/ciba-guest/src/settings.rs")),
    ("src/storage.rs", include_str!("../../../guest-ciba/ciba-guest/src/storage.rs")),
];

/// The contract, as it is.
const CONTRACT: &[(&str, &str)] = &[
    ("capabilities.wit", include_str!("../../../wit/capabilities.wit")),
    ("deps/README.md", include_str!("../../../wit/deps/README.md")),
    ("deps/clocks/clocks.wit", include_str!("../../../wit/deps/clocks/clocks.wit")),
    ("deps/config/config.wit", include_str!("../../../wit/deps/config/config.wit")),
    ("deps/http/http.wit", include_str!("../../../wit/deps/http/http.wit")),
    ("deps/io/io.wit", include_str!("../../../wit/deps/io/io.wit")),
    ("deps/keyvalue/keyvalue.wit", include_str!("../../../wit/deps/keyvalue/keyvalue.wit")),
    ("deps/logging/logging.wit", include_str!("../../../wit/deps/logging/logging.wit")),
    ("deps/random/random.wit", include_str!("../../../wit/deps/random/random.wit")),
    ("hooks-clients.wit", include_str!("../../../wit/hooks-clients.wit")),
    ("hooks-decide.wit", include_str!("../../../wit/hooks-decide.wit")),
    ("hooks-notify.wit", include_str!("../../../wit/hooks-notify.wit")),
    ("hooks-observe.wit", include_str!("../../../wit/hooks-observe.wit")),
    ("hooks-start.wit", include_str!("../../../wit/hooks-start.wit")),
    ("hooks-tokens.wit", include_str!("../../../wit/hooks-tokens.wit")),
    ("plugin.wit", include_str!("../../../wit/plugin.wit")),
    ("refusals.wit", include_str!("../../../wit/refusals.wit")),
    ("transactions.wit", include_str!("../../../wit/transactions.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// Where the copies go. The author's crate finds the contract at `../../wit`, here as in our repository. The
/// contract is not in `wit` itself, because `cargo component` takes that for the world of the new crate and makes
/// bindings of its own from it.
const AUTHORS_CRATE_FOLDER: &str = "vendor/guest-ciba/ciba-guest";
const CONTRACT_FOLDER: &str = "vendor/wit";

/// Writes the crate `name` into `directory`, which must be empty or absent.
///
/// # Errors
/// The name is none for a crate, the directory has something in it, or it cannot be written.
pub(super) fn create(directory: &Path, name: &str) -> Result<()> {
    check_name(name)?;
    let empty = fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
    ensure!(empty && !directory.is_file(), "{} exists and is not an empty folder.\n  do: choose another name", directory.display());

    write(directory, "Cargo.toml", &manifest(name))?;
    write(directory, "Cargo.lock", LOCK)?;
    for (path, text) in OWN {
        write(directory, &renamed(path, name), &renamed(text, name))?;
    }
    for (path, text) in AUTHORS_CRATE {
        write(&directory.join(AUTHORS_CRATE_FOLDER), path, text)?;
    }
    for (path, text) in CONTRACT {
        write(&directory.join(CONTRACT_FOLDER), path, text)?;
    }
    Ok(())
}

/// The example's manifest, with the release profile of our plugins, as a workspace of its own: the folder may
/// lie inside another one.
fn manifest(name: &str) -> String {
    let package = renamed(EXAMPLE_MANIFEST, name).replace("../ciba-guest", AUTHORS_CRATE_FOLDER);
    let profile = WORKSPACE_MANIFEST.find("# A plugin is compiled").map_or("", |start| &WORKSPACE_MANIFEST[start..]);
    format!("{package}\n{profile}\n[workspace]\n")
}

/// The example's text under another name. Files are called by the library's name, in which `-` is `_`.
fn renamed(text: &str, name: &str) -> String {
    // By way of a character that no file has, so that a name with the example's in it is not renamed twice.
    text.replace(EXAMPLE, "\u{1}").replace(EXAMPLE_LIBRARY, &name.replace('-', "_")).replace('\u{1}', name)
}

fn write(directory: &Path, path: &str, text: &str) -> Result<()> {
    let path = directory.join(path);
    let folder = path.parent().unwrap_or(directory);
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// What cargo would refuse later, said at once.
fn check_name(name: &str) -> Result<()> {
    let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    ensure!(
        begins_well && name.len() <= NAME_MAX && name.bytes().all(allowed),
        "`{}` cannot be the name of a plugin's crate: use lower-case letters, digits, - and _, \
         beginning with a letter, at most {NAME_MAX}",
        name.escape_debug()
    );
    ensure!(
        !TAKEN.split(' ').any(|taken| taken == name.replace('-', "_")),
        "`{name}` cannot be the name of a plugin's crate: it means something else in Rust. Add a word to it"
    );
    Ok(())
}

/// Rust's keywords, its own crates, and what every plugin depends on.
const TAKEN: &str = "abstract alloc as async await become box break ciba_guest const continue core crate do dyn else enum \
    extern false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro \
    pub ref return self serde static std struct super test trait true try type typeof unsafe unsized use \
    virtual where while yield";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    /// The files below a folder, by their paths in it.
    fn files(folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![folder.to_owned()];
        while let Some(current) = open.pop() {
            for entry in fs::read_dir(&current).expect("the folder is in the repository") {
                let path = entry.expect("the folder can be listed").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let path = path.strip_prefix(folder).expect("it lies below the folder");
                    found.insert(path.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        found
    }

    fn listed(list: &[(&str, &str)]) -> BTreeSet<String> {
        list.iter().map(|(path, _)| (*path).to_owned()).collect()
    }

    #[test]
    fn every_file_of_the_authors_crate_and_of_the_contract_is_carried() {
        assert_eq!(listed(AUTHORS_CRATE), files(&repository().join("guest-ciba/ciba-guest")));
        assert_eq!(listed(CONTRACT), files(&repository().join("wit")));
    }

    #[test]
    fn a_new_crate_has_its_own_name_everywhere() {
        let directory = tempfile::tempdir().expect("a folder");
        let crate_folder = directory.path().join("night-owl");
        create(&crate_folder, "night-owl").expect("an absent folder is taken");

        let manifest = fs::read_to_string(crate_folder.join("Cargo.toml")).expect("a manifest");
        for part in ["name = \"night-owl\"", "path = \"vendor/guest-ciba/ciba-guest\"", "[profile.release]", "\n[workspace]\n"] {
            assert!(manifest.contains(part), "{part}: {manifest}");
        }
        assert!(crate_folder.join("night_owl.toml").is_file());
        for (path, _) in OWN {
            let text = fs::read_to_string(crate_folder.join(renamed(path, "night-owl"))).expect(path);
            assert!(!text.contains("hello"), "{path} still names the example");
        }
        let again = create(&crate_folder, "night-owl").expect_err("it is not empty any more");
        assert!(again.to_string().contains("not an empty folder"), "{again}");
    }

    #[test]
    fn a_name_that_cargo_would_refuse_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("a folder");
        for name in ["", "Hello", "9lives", "-x", "a b", "a/b", "../a", "é", "fn", "test", "ciba-guest", &"a".repeat(65)] {
            let error = create(&directory.path().join("new"), name).expect_err(name);
            assert!(error.to_string().contains("cannot be the name"), "{error}");
        }
        assert!(!directory.path().join("new").exists());
        for name in ["a", "x2", "my-hello_note"] {
            create(&directory.path().join(name), name).expect(name);
        }
        assert!(directory.path().join("my-hello_note/my_hello_note.toml").is_file());
    }
}
