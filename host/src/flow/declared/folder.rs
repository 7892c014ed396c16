//! Which files there are, and which have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::read::{self, Content, Problem};
use crate::protocol::algorithm::JwsAlgorithm;

/// What a file declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A client, whose `client_id` is the file's name.
    Client,
    /// A user, whose username is the file's name.
    User,
    /// A signing key, whose algorithm is the file's name.
    Key,
    /// A type of `authorization_details`, whose name is the file's unless it says another.
    DetailType,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Client, Self::User, Self::Key, Self::DetailType];

    /// The folder it stands in.
    const fn folder(self) -> &'static str {
        match self {
            Self::Client => "clients",
            Self::User => "users",
            Self::Key => "keys",
            Self::DetailType => "authorization_details",
        }
    }

    /// How its files end.
    const fn endings(self) -> [&'static str; 2] {
        match self {
            Self::Client | Self::User | Self::DetailType => ["json", "toml"],
            Self::Key => ["pem", "json"],
        }
    }
}

/// What is declared, whether its file is there or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// What it is.
    pub kind: Kind,
    /// The stem of its file.
    pub name: String,
}

impl Named {
    /// For people.
    pub fn shown(&self) -> String {
        format!("declared/{}/{}", self.kind.folder(), self.name)
    }
}

/// What a look found out.
pub enum News {
    /// A file says this, for the first time or again.
    Says(Named, Content),
    /// A file cannot be used.
    Wrong(Problem),
    /// A file is not there any more.
    Gone(Named),
}

/// Length, inode, times: what changes when a file does.
type Look = Option<(u64, u64, i64, i64, i64)>;

/// The host that files are read for.
pub struct Here {
    /// The folder of the folders.
    pub root: PathBuf,
    /// The data directory, none of whose files is anybody's secret.
    pub own: PathBuf,
    /// What it signs with.
    pub algorithms: Vec<JwsAlgorithm>,
}

/// The folders, and what was seen in them.
pub struct Folder {
    here: Here,
    seen: BTreeMap<Named, Seen>,
    /// What was said about files that have no meaning here.
    strange: BTreeSet<String>,
}

#[derive(Default)]
struct Seen {
    /// Of the file, and of the secret it points to.
    look: Vec<Look>,
    also: Option<PathBuf>,
    /// Who a user is to clients, where the file says that.
    sub: Option<String>,
    /// What is wrong, and in how many looks it has been so.
    problem: Option<(String, u32)>,
    /// In how many looks it was not there.
    missing: u32,
}

impl Folder {
    /// Nothing was seen yet.
    pub fn new(here: Here) -> Self {
        Self { here, seen: BTreeMap::new(), strange: BTreeSet::new() }
    }

    /// These are in force, whether their files are there or not.
    pub fn expect(&mut self, declared: impl IntoIterator<Item = Named>) {
        for named in declared {
            self.seen.entry(named).or_default();
        }
    }

    /// Looks at every file, and reads those that look changed or could not be used.
    pub fn look(&mut self, first: bool) -> Vec<News> {
        let mut news = Vec::new();
        for kind in Kind::ALL {
            match self.files(kind, &mut news) {
                Ok(files) => self.look_at(kind, &files, first, &mut news),
                // Not one of them is believed to be gone: a disk that is not mounted would take every client away.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.seen.keys().any(|named| named.kind == kind) => {}
                Err(error) => {
                    let file = format!("declared/{}", kind.folder());
                    self.say_once(Problem { file, what: format!("cannot be read, and what it declared stays: {error}") }, &mut news);
                }
            }
        }
        news
    }

    /// The files of one kind by their stems. What cannot be one is said once.
    fn files(&mut self, kind: Kind, news: &mut Vec<News>) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut found: Vec<PathBuf> =
            fs::read_dir(self.here.root.join(kind.folder()))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        found.sort();
        for path in found {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // Editors and version control leave such files for a moment.
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let shown = format!("declared/{}/{name}", kind.folder());
            let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
            if !kind.endings().contains(&ending) || stem.is_empty() {
                let what = format!("is not read: the name of such a file ends in .{}", kind.endings().join(" or ."));
                self.say_once(Problem { file: shown, what }, news);
            } else if let Some(other) = files.get(stem) {
                let what = format!("is not read: {} declares the same; remove one of them", other.display());
                self.say_once(Problem { file: shown, what }, news);
            } else {
                files.insert(stem.to_owned(), path);
            }
        }
        Ok(files)
    }

    fn look_at(&mut self, kind: Kind, files: &BTreeMap<String, PathBuf>, first: bool, news: &mut Vec<News>) {
        let look = |path: &PathBuf, also: &Option<PathBuf>| std::iter::once(path).chain(also).map(|path| look_of(path)).collect::<Vec<_>>();
        let mut read_now = Vec::new();
        for (name, path) in files {
            let named = Named { kind, name: name.clone() };
            let seen = self.seen.entry(named.clone()).or_default();
            seen.missing = 0;
            let now = look(path, &seen.also);
            if now == seen.look && seen.problem.is_none() {
                continue;
            }
            match read::read(kind, name, path, &self.here) {
                Ok((content, also)) => {
                    seen.sub = content.sub().map(str::to_owned);
                    read_now.push((named, path, content, also));
                }
                Err(problem) => seen.wrong(problem, first, news),
            }
        }
        // Only now, when all of them are read: of two people with one `sub` neither takes the other's place, whichever was
        // read first.
        for (named, path, content, also) in read_now {
            let twin = content.sub().and_then(|sub| self.twin(&named, sub, files));
            let Some(seen) = self.seen.get_mut(&named) else { continue };
            if let Some(twin) = twin {
                let what = format!("sub: {twin} says the same, and they are two people; write another, or remove one of the files");
                seen.wrong(Problem { file: named.shown(), what }, first, news);
                continue;
            }
            (seen.look, seen.also) = (look(path, &also), also);
            news.push(News::Says(named, content));
        }
        let gone: Vec<Named> = self
            .seen
            .iter_mut()
            .filter(|(named, _)| named.kind == kind && !files.contains_key(&named.name))
            .filter_map(|(named, seen)| {
                seen.missing += 1;
                (seen.missing >= 2).then(|| named.clone())
            })
            .collect();
        for named in gone {
            self.seen.remove(&named);
            news.push(News::Gone(named));
        }
    }

    /// Another file that is there and gives its person this `sub`.
    fn twin(&self, named: &Named, sub: &str, files: &BTreeMap<String, PathBuf>) -> Option<String> {
        let same = |(other, seen): &(&Named, &Seen)| *other != named && other.kind == named.kind && seen.sub.as_deref() == Some(sub);
        self.seen.iter().filter(same).map(|(other, _)| other).find(|other| files.contains_key(&other.name)).map(Named::shown)
    }

    /// What a file says is in force, or could not be: then it is tried again at the next look.
    pub fn applied(&mut self, named: &Named, wrong: Option<&str>) {
        let Some(seen) = self.seen.get_mut(named) else { return };
        match wrong {
            None => seen.problem = None,
            Some(what) => drop(seen.failed(what)),
        }
    }

    /// Whether this was not said before.
    pub fn is_new_problem(&self, named: &Named, what: &str) -> bool {
        self.seen.get(named).and_then(|seen| seen.problem.as_ref()).is_none_or(|(said, times)| said != what || *times == 1)
    }

    fn say_once(&mut self, problem: Problem, news: &mut Vec<News>) {
        if self.strange.insert(problem.to_string()) {
            news.push(News::Wrong(problem));
        }
    }
}

impl Seen {
    /// It cannot be used. The first time it may only be half written.
    fn wrong(&mut self, problem: Problem, first: bool, news: &mut Vec<News>) {
        let times = self.failed(&problem.what);
        if (first && times == 1) || times == 2 {
            news.push(News::Wrong(problem));
        }
    }

    fn failed(&mut self, what: &str) -> u32 {
        let times = self.problem.take().filter(|(said, _)| said == what).map_or(0, |(_, times)| times);
        self.problem = Some((what.to_owned(), times.saturating_add(1)));
        times.saturating_add(1)
    }
}

fn look_of(path: &Path) -> Look {
    let about = fs::metadata(path).ok()?;
    Some((about.len(), about.ino(), about.mtime(), about.mtime_nsec(), about.ctime_nsec()))
}
