//! What the fuzzer found worth keeping, knocked at the doors again: `host/fuzz/corpus`.

#[path = "../../host/fuzz/src/doors.rs"]
mod doors;

use std::fs;
use std::path::Path;

#[test]
fn every_door_stands_what_the_fuzzer_kept() {
    replay("request_parser", doors::request_parser);
    replay("jwt_door", doors::jwt_door);
    replay("dpop_door", doors::dpop_door);
}

fn replay(name: &str, door: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/fuzz");
    assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} is no target of the fuzzer");
    let mut kept = 0;
    for file in fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
        let path = file.unwrap().path();
        // Its name is what a panic does not say.
        eprintln!("{}", path.display());
        door(&fs::read(path).unwrap());
        kept += 1;
    }
    assert!(kept >= 5, "the corpus of {name} is missing");
}
