//! What a file says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::folder::{Here, Kind};
use crate::flow::details::DetailType;
use crate::flow::registration::{check_secret_length, operators_metadata};
use crate::jose::import::private_key;
use crate::protocol::algorithm::JwsAlgorithm;
use crate::protocol::client::ClientMetadata;
use crate::protocol::identifier::{ClientId, Digest};
use crate::protocol::spelling::meant;
use crate::protocol::user::check_person;

/// The longest file that is read, in bytes.
const LENGTH_MAX: u64 = 256 << 10;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As it is shown, with a line where one is known.
    pub file: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// What a good file says.
pub enum Content {
    /// Of a client.
    Client {
        /// Checked.
        metadata: Box<ClientMetadata>,
        /// Its secret, where its method has one.
        secret: Option<DeclaredSecret>,
    },
    /// Of a user.
    User(DeclaredUser),
    /// A signing key in PKCS #8.
    Key(JwsAlgorithm, Zeroizing<Vec<u8>>),
    /// A type of `authorization_details`, by its name.
    DetailType(String, DetailType),
}

impl Content {
    /// Who a user is to clients, where the file says that.
    pub(super) fn sub(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.sub.as_deref(),
            _ => None,
        }
    }
}

/// A secret as a file has it.
pub enum DeclaredSecret {
    /// The secret itself, fetched from where it is kept.
    Text(Zeroizing<String>),
    /// Its SHA-256, which is enough to compare.
    Sha256(Digest),
}

/// A user as a file has them.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeclaredUser {
    /// The file's name, where it is said again.
    pub username: Option<String>,
    /// What they are called.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Preferred language.
    pub locale: Option<String>,
    /// `sub` in their tokens.
    pub sub: Option<String>,
}

/// Who it is and how they are reached is nobody's business who reads a log.
impl std::fmt::Debug for DeclaredUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeclaredUser([redacted])")
    }
}

/// Reads a file, and says which other file it points to.
pub(super) fn read(kind: Kind, name: &str, path: &Path, here: &Here) -> Result<(Content, Option<PathBuf>), Problem> {
    let Here { root, own, algorithms } = here;
    let file = path.strip_prefix(root).map_or_else(|_| path.to_owned(), |inside| Path::new("declared").join(inside));
    let wrong = |what: String| Problem { file: file.display().to_string(), what };
    let text = text_of(path).map_err(wrong)?;
    if kind == Kind::Key {
        return key(name, &text, path).map(|key| (key, None)).map_err(wrong);
    }
    // Where a line is known it stands behind the file's name.
    let mut members = members_of(path, &text).map_err(|what| match what.split_once(' ').filter(|(line, _)| line.ends_with(':')) {
        Some((line, what)) => Problem { file: format!("{}:{}", file.display(), line.trim_end_matches(':')), what: what.to_owned() },
        None => wrong(what),
    })?;
    match kind {
        Kind::User => user(name, members).map(|user| (Content::User(user), None)).map_err(wrong),
        Kind::DetailType => {
            let (name, declared) = DetailType::read(name, members).map_err(wrong)?;
            Ok((Content::DetailType(name, declared), None))
        }
        Kind::Client | Kind::Key => {
            let (secret, also) = secret(&mut members, root, own).map_err(wrong)?;
            let metadata =
                operators_metadata(&members, &ClientId(name.to_owned()), algorithms).map_err(|error| wrong(error.to_string()))?;
            let method = metadata.token_endpoint_auth_method;
            match (method.has_secret(), &secret) {
                (true, None) => Err(wrong(format!(
                    "client_secret: is missing, and {} has one; write {{ file = \"…\" }}, {{ env = \"…\" }}, or client_secret_sha256",
                    method.as_str()
                ))),
                (false, Some(_)) => Err(wrong(format!("client_secret: {} has none; leave it out", method.as_str()))),
                (true, Some(DeclaredSecret::Sha256(_))) if method.as_str() == "client_secret_jwt" => {
                    Err(wrong("client_secret_sha256: client_secret_jwt needs the secret itself, as client_secret".to_owned()))
                }
                (_, Some(DeclaredSecret::Text(text))) => {
                    check_secret_length(text, method).map_err(|what| wrong(format!("client_secret: {what}")))?;
                    Ok((Content::Client { metadata: Box::new(metadata), secret }, also))
                }
                _ => Ok((Content::Client { metadata: Box::new(metadata), secret }, also)),
            }
        }
    }
}

/// The members that a file has, JSON or TOML by its ending. Where it is neither, the text begins with the line: `7: what`.
///
/// # Errors
/// What is wrong with it.
pub fn members_of(path: &Path, text: &str) -> Result<Map<String, Value>, String> {
    if path.extension().is_some_and(|ending| ending == "toml") {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text.as_bytes()[..span.start.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1);
            format!("{line}: {}", error.message())
        })?;
        return match serde_json::to_value(table) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err("is not a table".to_owned()),
        };
    }
    serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        format!("{}: {what}", error.line().max(1))
    })
}

/// Takes the secret out of what a file says, and fetches it.
fn secret(members: &mut Map<String, Value>, root: &Path, own: &Path) -> Result<(Option<DeclaredSecret>, Option<PathBuf>), String> {
    let mut take = |member: &str| members.remove(member).filter(|value| !value.is_null());
    let (said, digest) = (take("client_secret"), take("client_secret_sha256"));
    match (said, digest) {
        (None, None) => Ok((None, None)),
        (Some(_), Some(_)) => Err("client_secret: stands beside client_secret_sha256; leave one of them out".to_owned()),
        (None, Some(digest)) => {
            let digest = digest.as_str().and_then(of_hex);
            let digest = digest.ok_or("client_secret_sha256: is not 64 hexadecimal digits, as sha256sum writes them")?;
            Ok((Some(DeclaredSecret::Sha256(digest)), None))
        }
        (Some(said), None) => {
            let reference = said.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
            let (text, also) = match reference.and_then(|(key, value)| Some((key.as_str(), value.as_str()?))) {
                Some(("file", file)) => {
                    let path = root.join(file);
                    if is_own(&path, root, own) {
                        return Err(format!("client_secret: {file} is the host's own and no client's secret"));
                    }
                    (text_of(&path).map_err(|what| format!("client_secret: {file}: {what}"))?, Some(path))
                }
                Some(("env", name)) => {
                    let text = std::env::var(name);
                    (Zeroizing::new(text.map_err(|_| format!("client_secret: the environment has no variable {name}"))?), None)
                }
                _ => {
                    return Err(
                        "client_secret: does not stand in the open; write { file = \"…\" }, { env = \"…\" }, or client_secret_sha256"
                            .to_owned(),
                    );
                }
            };
            let secret = text.trim_end_matches(['\n', '\r']);
            Ok((Some(DeclaredSecret::Text(Zeroizing::new(secret.to_owned()))), also))
        }
    }
}

/// Whether a file is the host's own: its keys, its database. Whoever may declare clients may not read those.
fn is_own(file: &Path, root: &Path, own: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = real(file);
    file.starts_with(real(own)) && !file.starts_with(real(root))
}

fn user(name: &str, members: Map<String, Value>) -> Result<DeclaredUser, String> {
    const MEMBERS: [&str; 6] = ["username", "name", "email", "phone", "locale", "sub"];
    if let Some(unknown) = members.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
        return Err(match meant(unknown, MEMBERS) {
            Some(meant) => format!("{unknown}: is not known; did you mean {meant}?"),
            None => format!("{unknown}: is not known; there are {}", MEMBERS.join(", ")),
        });
    }
    if let Some((member, _)) = members.iter().find(|(_, value)| !value.is_string() && !value.is_null()) {
        return Err(format!("{member}: is not text"));
    }
    let user: DeclaredUser = serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())?;
    if user.username.as_ref().is_some_and(|username| username != name) {
        return Err(format!("username: is not {name}, which is the file's name"));
    }
    if user.sub.as_ref().is_some_and(|sub| sub.is_empty() || sub.len() > 255 || !sub.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err("sub: is 1 to 255 printable ASCII characters without spaces (OpenID Connect Core 2)".to_owned());
    }
    check_person(name, user.email.as_deref(), user.phone.as_deref())?;
    Ok(user)
}

fn key(name: &str, text: &str, path: &Path) -> Result<Content, String> {
    let known = JwsAlgorithm::from_name(name).filter(|alg| JwsAlgorithm::ASYMMETRIC.contains(alg));
    let alg = known.ok_or("is not named after its algorithm: ES256, PS256, RS256, EdDSA or Ed25519")?;
    let mode = fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(format!("can be read by everybody (mode {mode:o}); chmod o= it"));
    }
    Ok(Content::Key(alg, private_key(text)?))
}

/// The whole of a plain file. Anything else could block for ever.
fn text_of(path: &Path) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let about = fs::metadata(path).map_err(cannot)?;
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    if about.len() > LENGTH_MAX {
        return Err(format!("is longer than the {} KiB that are read", LENGTH_MAX >> 10));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(cannot)
}

fn of_hex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(Digest(digest))
}
