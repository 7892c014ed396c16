//! Words of a command that people paste into a shell.

/// One word, in quotes where a shell would make something else of it.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:,@%=".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_every_word_as_it_was() {
        for text in ["data/plugins", "my plugins", "it's", "a;b", "$HOME", "~", "", "ünï", "a\nb", "'"] {
            let said = Command::new("sh").args(["-c", &format!("printf %s {}", word(text))]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), text, "{}", word(text));
        }
        assert_eq!(word("data/samples/inbox-2.wasm"), "data/samples/inbox-2.wasm");
    }
}
