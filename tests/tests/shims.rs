//! The forgetful disk itself: it must keep what was synced and lose the rest, or the tests that stand
//! on it show nothing. The programs that it is tried on are ignored tests of this same binary, run in
//! a process of their own.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use ciba_tests::crash::ForgetfulDisk;
use rusqlite::Connection;

/// Commits that must be acknowledged before the writer is killed.
const COMMITS: usize = 300;

fn run_here(test: &str, directory: &Path, disk: &ForgetfulDisk) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test]).env("DIRECTORY", directory);
    disk.attach(&mut command);
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

fn directory() -> PathBuf {
    std::env::var_os("DIRECTORY").expect("started by another test only").into()
}

/// The rows that were acknowledged and those that are there after the crash.
fn crash_while_writing(synchronous: &str) -> (usize, usize) {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("data");
    let acknowledged = temporary.path().join("acknowledged");
    let disk = ForgetfulDisk::holding(&data).unwrap();
    fs::write(temporary.path().join("synchronous"), synchronous).unwrap();

    let mut writer = run_here("commits_until_killed", temporary.path(), &disk);
    while fs::metadata(&acknowledged).map_or(0, |file| file.len()) < COMMITS as u64 {
        assert_eq!(writer.try_wait().unwrap(), None, "the writer ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    let acknowledged = fs::metadata(&acknowledged).unwrap().len() as usize;
    disk.lose_unsynced().unwrap();

    let database = Connection::open(data.join("database")).unwrap();
    let check: String = database.query_one("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok", "{synchronous}: a crash loses commits, it corrupts nothing");
    let present = "SELECT count(*) FROM entry WHERE number < ?1";
    let present: i64 = database.query_one(present, [acknowledged as i64], |row| row.get(0)).unwrap();
    (acknowledged, usize::try_from(present).unwrap())
}

#[test]
fn every_acknowledged_commit_survives_with_full_durability() {
    let (acknowledged, present) = crash_while_writing("FULL");
    assert_eq!(present, acknowledged);
}

#[test]
fn commits_are_lost_without_it() {
    for synchronous in ["NORMAL", "OFF"] {
        let (acknowledged, present) = crash_while_writing(synchronous);
        assert!(present < acknowledged, "{synchronous}: all {acknowledged} survived");
    }
}

#[test]
#[ignore = "a program for the tests above"]
fn commits_until_killed() {
    let directory = directory();
    let synchronous = fs::read_to_string(directory.join("synchronous")).unwrap();
    let path = directory.join("data/database");
    let database = Connection::open(&path).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    let table = "CREATE TABLE entry (number INTEGER PRIMARY KEY, content BLOB NOT NULL)";
    database.execute_batch(table).unwrap();
    database.pragma_update(None, "synchronous", &synchronous).unwrap();
    // Checkpoints on another thread, as the host has them, so that both files are written at once.
    database.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    std::thread::spawn(move || {
        let database = Connection::open(path).unwrap();
        database.pragma_update(None, "synchronous", &synchronous).unwrap();
        loop {
            let checkpoint = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
            checkpoint.unwrap().query([]).unwrap().next().unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
    });

    // One byte for each commit that was acknowledged, outside the forgetful directory.
    let mut acknowledged = File::create(directory.join("acknowledged")).unwrap();
    // Bounded, should nobody kill it.
    for number in 0..1_000_000 {
        let row = (number, [b'x'; 700]);
        database.execute("INSERT INTO entry VALUES (?1, ?2)", row).unwrap();
        acknowledged.write_all(b"1").unwrap();
    }
}

#[test]
fn names_and_contents_survive_only_their_own_syncs() {
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("data");
    for case in ["truncated", "renamed", "renamed-synced", "unlinked", "unlinked-synced", "rotated"] {
        fs::create_dir_all(data.join(case)).unwrap();
        fs::write(data.join(case).join("file"), "old").unwrap();
    }
    for case in ["never-synced", "synced-early", "name-only", "copied"] {
        fs::create_dir_all(data.join(case)).unwrap();
    }
    let disk = ForgetfulDisk::holding(&data).unwrap();
    let mut program = run_here("changes_files", &data, &disk);
    assert!(program.wait().unwrap().success());
    disk.lose_unsynced().unwrap();

    let durable = |name: &str| fs::read_to_string(data.join(name)).ok();
    for (name, content) in [
        ("never-synced/file", None),
        ("synced-early/file", Some("early")),
        ("name-only/file", Some("")),
        ("copied/file", Some("old")),
        ("truncated/file", Some("old")),
        ("renamed/file", Some("old")),
        ("renamed/new", Some("new")),
        ("renamed-synced/file", Some("new")),
        ("renamed-synced/new", None),
        ("unlinked/file", Some("old")),
        ("unlinked-synced/file", None),
        ("rotated/file", Some("new")),
        ("rotated/file.1", Some("old")),
    ] {
        assert_eq!(durable(name).as_deref(), content, "{name}");
    }
}

#[test]
#[ignore = "a program for the test above"]
fn changes_files() {
    let data = directory();
    let path = |name: &str| data.join(name);
    let write = |name: &str, content: &str| {
        let mut file = File::create(path(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    };
    let sync_directory = |name: &str| File::open(path(name)).unwrap().sync_all().unwrap();

    write("never-synced/file", "new");

    let mut file = write("synced-early/file", "early");
    file.sync_data().unwrap();
    file.write_all(b" and late").unwrap();

    write("name-only/file", "new");
    sync_directory("name-only");

    fs::copy(path("truncated/file"), path("copied/file")).unwrap();
    File::open(path("copied/file")).unwrap().sync_all().unwrap();

    write("truncated/file", "");

    write("renamed/new", "new").sync_all().unwrap();
    fs::rename(path("renamed/new"), path("renamed/file")).unwrap();

    write("renamed-synced/new", "new").sync_all().unwrap();
    fs::rename(path("renamed-synced/new"), path("renamed-synced/file")).unwrap();
    sync_directory("renamed-synced");

    fs::remove_file(path("unlinked/file")).unwrap();

    fs::remove_file(path("unlinked-synced/file")).unwrap();
    sync_directory("unlinked-synced");

    fs::rename(path("rotated/file"), path("rotated/file.1")).unwrap();
    write("rotated/file", "new").sync_all().unwrap();
}
