//! What the tests of the house and of its documents both do: read sources as tokens, and documents as tables.

use std::path::{Path, PathBuf};

/// Where the repository begins.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

/// A file of the repository as text.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `folder` whose name ends so, in the order of their paths; nothing that was built or installed.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_symlink() || matches!(name.as_str(), "target" | "node_modules" | ".git") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// One piece of a Rust source; comments and white space are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word(String),
    /// What a string literal holds.
    Text(String),
    /// `::`
    Colons,
    /// Any other character.
    Mark(char),
}

impl Token {
    pub fn is(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(this) if this == word)
    }

    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Reads Rust as far as it takes to tell code from comments and literals.
pub fn tokens(source: &str) -> Vec<Token> {
    Reader { rest: source, line: 1, tokens: Vec::new() }.read()
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Vec<Token> {
        while let Some(character) = self.rest.chars().next() {
            if character.is_whitespace() {
                self.skip(character.len_utf8());
            } else if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.skip_comment();
            } else if let Some((opening, hashes)) = raw_string(self.rest) {
                self.skip(opening);
                let closing = format!("\"{}", "#".repeat(hashes));
                let length = self.rest.find(&closing).unwrap_or(self.rest.len());
                self.push(Kind::Text(self.rest[..length].to_owned()));
                self.skip((length + closing.len()).min(self.rest.len()));
            } else if self.rest.starts_with('"') {
                self.string(1);
            } else if self.rest.starts_with("b\"") || self.rest.starts_with("c\"") {
                self.string(2);
            } else if character == '\'' {
                self.skip(character_literal(self.rest));
            } else if self.rest.starts_with("::") {
                self.push(Kind::Colons);
                self.skip(2);
            } else if character.is_alphanumeric() || character == '_' {
                let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
                self.push(Kind::Word(self.rest[..end].to_owned()));
                self.skip(end);
            } else {
                self.push(Kind::Mark(character));
                self.skip(character.len_utf8());
            }
        }
        self.tokens
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { line: self.line, kind });
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
        skipped
    }

    /// Block comments nest.
    fn skip_comment(&mut self) {
        let mut depth = 0;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                let next = self.rest.chars().next().map_or(0, char::len_utf8);
                self.skip(next);
            }
        }
    }

    fn string(&mut self, opening: usize) {
        let line = self.line;
        self.skip(opening);
        let mut text = String::new();
        while let Some(character) = self.rest.chars().next() {
            self.skip(character.len_utf8());
            match character {
                '"' => break,
                '\\' => {
                    let escaped = self.rest.chars().next().unwrap_or('\\');
                    self.skip(escaped.len_utf8().min(self.rest.len()));
                    match escaped {
                        // The literal goes on where the next line begins.
                        '\n' => drop(self.skip(self.rest.len() - self.rest.trim_start().len())),
                        'n' => text.push('\n'),
                        other => text.push(other),
                    }
                }
                other => text.push(other),
            }
        }
        self.tokens.push(Token { line, kind: Kind::Text(text) });
    }
}

/// The length of what opens a raw string, and the number of its hashes.
fn raw_string(rest: &str) -> Option<(usize, usize)> {
    let letters = ["r", "br", "cr"]
        .into_iter()
        .find(|letters| rest.strip_prefix(letters).is_some_and(|after| after.trim_start_matches('#').starts_with('"')))?;
    let hashes = rest[letters.len()..].bytes().take_while(|byte| *byte == b'#').count();
    Some((letters.len() + hashes + 1, hashes))
}

/// The length of a character literal; of a lifetime, only its apostrophe.
fn character_literal(rest: &str) -> usize {
    let inside = &rest[1..];
    if let Some(after) = inside.strip_prefix('\\') {
        // What is escaped may itself be an apostrophe or a backslash.
        let escaped = after.chars().next().map_or(0, char::len_utf8);
        return after[escaped..].find('\'').map_or(1, |end| 2 + escaped + end + 1);
    }
    let first = inside.chars().next().map_or(0, char::len_utf8);
    if inside[first..].starts_with('\'') { 1 + first + 1 } else { 1 }
}

/// What stands below this heading, up to the next one of its rank or a higher one.
pub fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let start = document.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no heading `{heading}`")) + heading.len() + 2;
    let rank = heading.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &document[start..];
    let ends = (1..=rank).filter_map(|rank| rest.find(&format!("\n{} ", "#".repeat(rank))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

/// The rows of the tables in it, without their headings: each a list of cells.
pub fn rows(section: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = section.lines().map(str::trim).collect();
    let is_rule = |line: &str| line.starts_with("| -") || line.starts_with("|-");
    let mut rows = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let heading = lines.get(number + 1).is_some_and(|next| is_rule(next));
        if line.starts_with('|') && !is_rule(line) && !heading {
            rows.push(line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}

/// What stands in backquotes.
pub fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
