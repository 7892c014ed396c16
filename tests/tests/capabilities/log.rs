//! What a plugin writes into its log is its own line, and nothing else's.

use serde_json::json;

use super::World;

#[test]
fn a_line_of_a_plugins_passes_for_no_other() {
    let world = World::new("", &["liar"]);
    for (line, shown) in [
        ("done\n2026-11-24T09:00:00Z ERROR plugin=other: forged", "say: done\\n2026-11-24T09:00:00Z ERROR plugin=other: forged"),
        ("done\r\u{1b}[2K\u{1b}[31mforged", "say: done\\r\\u{1b}[2K\\u{1b}[31mforged"),
        // The name of another one backwards, and what ends a line elsewhere.
        ("\u{202e}degrof", "say: \\u{202e}degrof"),
        ("a\u{2028}forged\u{85}forged\u{0}", "say: a\\u{2028}forged\\u{85}forged\\u{0}"),
    ] {
        assert_eq!(world.tell("liar", &json!([["say", line]])), [shown]);
    }
    let log = world.host.log();
    assert!(!log.lines().any(|line| line.starts_with("2026-11-24T09:00:00Z ERROR plugin=other")), "{log}");
    // Each of them is on the line that names who wrote it.
    assert!(log.lines().filter(|line| line.contains("forged")).all(|line| line.contains("plugin=liar")), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\u{85}', '\u{0}']), "{log}");
}
