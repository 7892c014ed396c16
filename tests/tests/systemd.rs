//! The unit that operators install is one that systemd accepts. Needs `systemd-analyze`, and no systemd that runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use ciba_tests::host::program;

/// Where the unit says that the program is.
const INSTALLED: &str = "/usr/local/bin/ciba-host";
/// systemd's own measure, in tenths: 0 is a service that can do nothing, 100 one that may do everything.
const EXPOSURE_MAX: &str = "20";

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/ciba-host.service");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What units of services refer to without saying so, and what ours names. Empty ones will do, and a machine's own may
/// be absent, or wrong.
const SURROUNDINGS: [&str; 4] = ["sysinit.target", "basic.target", "shutdown.target", "network-online.target"];

/// What a line of the unit sets.
fn set(unit: &str, key: &str) -> Vec<String> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned).collect()
}

/// Whether it was content, and what it said. The program stands where it was built; of this machine's units it sees none.
fn analyze(unit: &str, words: &[&str]) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("ciba-host.service");
    std::fs::write(&path, unit.replace(INSTALLED, &program().display().to_string())).unwrap();
    for name in SURROUNDINGS {
        std::fs::write(directory.path().join(name), "[Unit]\n").unwrap();
    }
    let output = Command::new("systemd-analyze")
        .args(words)
        .arg(&path)
        .env("SYSTEMD_UNIT_PATH", directory.path())
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze does not start ({error}).  do: apt-get install systemd"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn systemd_accepts_the_unit_and_has_nothing_to_say() {
    assert_eq!(analyze(&unit(), &["verify", "--man=no"]), (true, String::new()));
}

#[test]
fn systemd_would_say_what_is_wrong_with_it() {
    for (right, wrong) in
        [("Restart=on-failure", "Restrat=on-failure"), ("KillSignal=SIGTERM", "KillSignal=SIGTREM"), ("/bin/ciba-host", "/bin/x")]
    {
        let broken = unit().replace(right, wrong);
        assert_ne!(broken, unit(), "{right}");
        let (_, said) = analyze(&broken, &["verify", "--man=no"]);
        assert!(!said.is_empty(), "{wrong} passes");
    }
}

#[test]
fn the_service_can_do_little_besides_its_work() {
    let (content, said) = analyze(&unit(), &["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE_MAX}")]);
    assert!(content, "{said}");
    let (content, _) =
        analyze("[Service]\nExecStart=/bin/true\n", &["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE_MAX}")]);
    assert!(!content, "a service without any hardening passes too");
}

#[test]
fn the_unit_leaves_the_host_what_it_needs() {
    let unit = unit();
    assert_eq!(set(&unit, "ExecStart"), [format!("{INSTALLED} serve --data /var/lib/{}", set(&unit, "StateDirectory")[0])]);
    assert_eq!(set(&unit, "StateDirectoryMode"), ["0700"]);
    // Each of these stops plugins from being compiled or called, or makes it slower.
    for key in ["MemoryDenyWriteExecute", "ProcSubset", "LimitAS"] {
        assert_eq!(set(&unit, key), Vec::<String>::new(), "{key}");
    }
}
