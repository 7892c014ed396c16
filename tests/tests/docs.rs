//! What keeps the documents true: every stable word of the code is explained and no other, every link leads
//! somewhere, and every command that is written down is one the program knows.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use ciba_host::protocol::client::registration::members_kept;
use ciba_host::protocol::error::ErrorCode;
use ciba_tests::host::program;
use source::{Kind, Token, files, quoted, read, repository, rows, section, tokens};

fn errors() -> String {
    read(&repository().join("docs/errors.md"))
}

/// The words in the first column of the tables below this heading.
fn words_in(document: &str, heading: &str) -> BTreeSet<String> {
    rows(section(document, heading)).iter().flat_map(|row| quoted(&row[0])).collect()
}

/// The sources below `host/src`, as tokens.
fn sources(below: &str) -> Vec<(PathBuf, Vec<Token>)> {
    let root = repository().join("host/src").join(below);
    let found = if root.is_dir() { files(&root, ".rs") } else { vec![root] };
    found.into_iter().map(|path| (path.clone(), tokens(&read(&path)))).collect()
}

/// Whether what begins here is this call: words, `::` and marks as they stand in it, without white space.
fn is_call(tokens: &[Token], call: &[&str]) -> bool {
    tokens.len() >= call.len()
        && tokens.iter().zip(call).all(|(token, expected)| match &token.kind {
            Kind::Word(word) => word == expected,
            Kind::Colons => *expected == "::",
            Kind::Mark(mark) => expected.chars().eq([*mark]),
            Kind::Text(_) => false,
        })
}

/// The text that stands first after this call; without one, the word would be made where nobody can list it.
fn words_of(below: &str, call: &[&str]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for (path, tokens) in sources(below) {
        for at in 0..tokens.len() {
            if !is_call(&tokens[at..], call) {
                continue;
            }
            match tokens.get(at + call.len()).map(|token| &token.kind) {
                Some(Kind::Text(word)) => drop(words.insert(word.clone())),
                other => panic!("{}:{}: {} takes a word that stands there, not {other:?}", path.display(), tokens[at].line, call.concat()),
            }
        }
    }
    words
}

/// `trap` of `[trap] {0}`.
fn bracketed(text: &str) -> Option<String> {
    let (word, _) = text.strip_prefix('[')?.split_once(']')?;
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    plain.then(|| word.to_owned())
}

#[test]
fn every_word_of_a_refused_file_is_explained_and_no_other() {
    let mut code = words_of("runtime", &["Refusal", "::", "new", "("]);
    for (_, tokens) in sources("runtime") {
        for token in &tokens {
            if let Kind::Text(text) = &token.kind {
                code.extend(text.split_once("not taken ").and_then(|(_, rest)| bracketed(rest)));
            }
        }
    }
    assert!(code.len() >= 15 && code.contains("name"), "{code:?}");
    assert_eq!(words_in(&errors(), "## Files that were not taken"), code, "docs/errors.md, and host/src/runtime");
}

#[test]
fn every_word_of_a_failed_call_is_explained_and_no_other() {
    let mut code = BTreeSet::new();
    for (_, tokens) in sources("runtime") {
        for token in &tokens {
            if let Kind::Text(text) = &token.kind {
                code.extend(bracketed(text).filter(|_| text.contains("] ")));
                code.extend(text.strip_prefix("refused ").and_then(bracketed));
            }
        }
    }
    assert!(code.contains("trap") && code.contains("not-permitted") && code.len() >= 10, "{code:?}");
    assert_eq!(words_in(&errors(), "## Calls that failed"), code, "docs/errors.md, and the words in brackets in host/src/runtime");
}

#[test]
fn every_refusal_of_the_contract_is_explained_and_no_other() {
    let wit = read(&repository().join("wit/refusals.wit"));
    let cases = |variant: &str| -> BTreeSet<String> {
        let (_, rest) = wit.split_once(&format!("variant {variant} {{")).unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        let names = body.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty());
        names.map(|line| line.split(['(', ',']).next().unwrap().to_owned()).collect()
    };
    assert_eq!(words_in(&errors(), "## What a plugin is refused"), cases("refusal"), "docs/errors.md, and wit/refusals.wit");
    assert_eq!(words_in(&errors(), "## What a plugin answers"), cases("script-error"), "docs/errors.md, and wit/refusals.wit");
}

#[test]
fn every_error_of_the_wire_is_explained_with_its_status_and_no_other() {
    let code: BTreeMap<String, String> = ErrorCode::ALL.iter().map(|code| (code.as_str().to_owned(), code.status().to_string())).collect();
    let document = errors();
    let written: BTreeMap<String, String> =
        rows(section(&document, "## What a client is told")).iter().map(|row| (quoted(&row[0])[0].clone(), row[1].clone())).collect();
    let written: BTreeMap<String, String> =
        written.into_iter().map(|(word, status)| (word, status.split([',', ' ']).next().unwrap_or_default().to_owned())).collect();
    assert_eq!(written, code, "docs/errors.md, and host/src/protocol/error.rs");
}

#[test]
fn every_error_of_the_http_hooks_is_explained_and_no_other() {
    let mut code = BTreeSet::new();
    for (_, tokens) in sources("http/hooks.rs") {
        for at in (0..tokens.len()).filter(|at| is_call(&tokens[*at..], &["error", "("])) {
            // After the status, however that is found.
            let arguments = tokens[at..].iter().take_while(|token| !token.is_mark(';') && !token.is_mark('{'));
            code.extend(arguments.filter_map(|token| if let Kind::Text(word) = &token.kind { Some(word.clone()) } else { None }).next());
        }
    }
    for (_, tokens) in sources("http/answer.rs") {
        for window in tokens.windows(3) {
            if let [Token { kind: Kind::Text(key), .. }, colon, Token { kind: Kind::Text(word), .. }] = window
                && key == "error"
                && colon.is_mark(':')
            {
                code.insert(word.clone());
            }
        }
    }
    assert!(code.contains("no_plugin") && code.contains("not_found"), "{code:?}");
    assert_eq!(words_in(&errors(), "## What a hook caller is told"), code, "docs/errors.md, and host/src/http");
}

/// A message as people see it, with `…` for what varies, up to what to do about it.
fn message(literal: &str) -> String {
    let mut message = String::new();
    let mut depth = 0;
    for character in literal.chars() {
        match character {
            '{' => {
                depth += 1;
                message.push('…');
            }
            '}' => depth -= 1,
            '`' => {}
            character if depth == 0 => message.push(if character == '\n' { ' ' } else { character }),
            _ => {}
        }
    }
    let what = message.split(" do: ").next().unwrap_or_default();
    // Where nothing is left of it, what to do is all that tells it from others.
    let says_something = what.chars().filter(|c| c.is_alphabetic()).count() > 8;
    let message = if says_something { what.to_owned() } else { message.split_whitespace().collect::<Vec<_>>().join(" ") };
    message.trim_end_matches(['.', ' ']).to_owned()
}

/// Messages that tell somebody to act: those that say what to do, and those of the log's level `error`. Those of
/// plugins' files and calls have words, and the demo explains itself.
fn messages_that_need_somebody() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, tokens) in sources("") {
        let inside = path.strip_prefix(repository().join("host/src")).unwrap().to_string_lossy().into_owned();
        if ["runtime/", "http/demo/", "http/views/", "cli/plugin", "cli/serve/demo.rs"].iter().any(|left_out| inside.starts_with(left_out))
        {
            continue;
        }
        let mut level = "";
        for (at, token) in tokens.iter().enumerate() {
            for macro_name in ["error", "warn", "info"] {
                if is_call(&tokens[at..], &[macro_name, "!", "("]) {
                    level = macro_name;
                }
            }
            let Kind::Text(text) = &token.kind else { continue };
            let needed = match std::mem::take(&mut level) {
                "error" => true,
                "warn" => text.contains(" do: "),
                _ => text.contains("\n  do: "),
            };
            if needed {
                found.insert(message(text));
            }
        }
    }
    found
}

#[test]
fn every_message_that_needs_somebody_is_explained_and_every_one_explained_is_still_said() {
    let document = errors();
    let explained: BTreeSet<String> = ["## When the host does not start", "## When a command is not done", "## In the host's log"]
        .iter()
        .flat_map(|heading| words_in(&document, heading))
        .collect();
    let said = messages_that_need_somebody();
    assert!(said.len() >= 20, "{said:?}");
    let missing: Vec<&String> =
        said.iter().filter(|said| !explained.iter().any(|explained| said.starts_with(explained.as_str()))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain {missing:#?}");
    let literals: BTreeSet<String> = sources("")
        .into_iter()
        .flat_map(|(_, tokens)| tokens)
        .filter_map(|token| match token.kind {
            Kind::Text(text) => Some(message(&text)),
            _ => None,
        })
        .collect();
    let stale: Vec<&String> =
        explained.iter().filter(|explained| !literals.iter().any(|said| said.starts_with(explained.as_str()))).collect();
    assert!(stale.is_empty(), "docs/errors.md explains what the host does not say (any more): {stale:#?}");
}

#[test]
fn every_member_that_a_client_can_register_is_explained_and_no_other() {
    let document = read(&repository().join("docs/clients.md"));
    let members: BTreeSet<String> = members_kept().iter().map(|member| (*member).to_owned()).collect();
    assert!(members.contains("jwks_uri") && members.len() > 30, "{members:?}");
    assert_eq!(words_in(&document, "## Every member"), members, "docs/clients.md, and host/src/protocol/client/metadata.rs");
}

#[test]
fn the_fields_of_the_http_hook_are_those_of_the_document() {
    let [(_, tokens)] = sources("http/hooks.rs").try_into().unwrap();
    let start = tokens.windows(2).position(|pair| pair[0].is("struct") && pair[1].is("OutsideTransaction")).unwrap();
    let fields: BTreeSet<String> = tokens[start + 3..]
        .split(|token| token.is_mark('}'))
        .next()
        .unwrap()
        .windows(2)
        .filter_map(|pair| match &pair[0].kind {
            Kind::Word(field) if pair[1].is_mark(':') => Some(field.clone()),
            _ => None,
        })
        .collect();
    let document = read(&repository().join("docs/hooks.md"));
    assert_eq!(words_in(&document, "## What you send"), fields, "docs/hooks.md, and host/src/http/hooks.rs");
    let wit = read(&repository().join("wit/hooks-notify.wit"));
    let (_, outcomes) = wit.split_once("variant outcome {").unwrap();
    let outcomes = outcomes.split_once('}').unwrap().0.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty());
    let outcomes: BTreeSet<String> = outcomes.map(|line| line.split(['(', ',']).next().unwrap().to_owned()).collect();
    let written: BTreeSet<String> = rows(section(&document, "## What comes back"))
        .iter()
        .map(|row| quoted(&row[0])[0].trim_matches(['{', '}', ' ']).split(':').next().unwrap().trim_matches('"').to_owned())
        .collect();
    assert_eq!(written, outcomes, "docs/hooks.md, and wit/hooks-notify.wit");
}

/// The names of the tests in a source, of whatever kind.
fn tests_in(source: &str) -> BTreeSet<String> {
    let tokens = tokens(source);
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let plain = is_call(&tokens[at..], &["#", "[", "test", "]"]);
        if !plain && !is_call(&tokens[at..], &["#", "[", "tokio", "::", "test"]) {
            continue;
        }
        // Other attributes may stand between.
        let name = tokens[at..].iter().skip_while(|token| !token.is("fn")).nth(1);
        if let Some(Token { kind: Kind::Word(name), .. }) = name {
            found.insert(name.clone());
        }
    }
    found
}

/// What is wrong with a claim that `file::test` shows, if anything.
fn not_shown(claim: &str) -> Option<String> {
    let Some((file, test)) = claim.split_once("::") else { return Some(format!("{claim} is not `file::test`")) };
    let folder = if file.starts_with("host/") { repository() } else { repository().join("tests/tests") };
    let path = folder.join(file);
    if !path.is_file() {
        return Some(format!("{claim}: there is no file {}", path.display()));
    }
    (!tests_in(&read(&path)).contains(test)).then(|| format!("{claim}: there is no such test in {file}"))
}

#[test]
fn every_claim_about_plugins_names_tests_that_there_are() {
    let document = read(&repository().join("docs/security.md"));
    let chapter = section(&document, "## Plugins");
    let claims = rows(chapter);
    assert!(claims.len() >= 30, "only {} claims were seen", claims.len());
    let mut wrong = Vec::new();
    for claim in &claims {
        let shown_by = quoted(claim.last().unwrap());
        if shown_by.is_empty() {
            wrong.push(format!("no test is named for: {}", claim.join(" | ")));
        }
        wrong.extend(shown_by.iter().filter_map(|test| not_shown(test)));
    }
    // A claim in a list would be one that nobody checks.
    wrong.extend(chapter.lines().filter(|line| line.starts_with("- ")).map(|line| format!("a claim without a test: {line}")));
    assert!(wrong.is_empty(), "docs/security.md: {wrong:#?}");
}

#[test]
fn a_claim_without_a_test_is_found_out() {
    let source = "#[test]\n#[expect(x, reason = \"fn no\")]\nfn one() {}\n// #[test] fn two() {}\n#[tokio::test(flavor = \"x\")]\nasync fn three() {}\nfn four() {}";
    assert_eq!(tests_in(source), ["one", "three"].map(str::to_owned).into());
    assert_eq!(not_shown("docs.rs::a_claim_without_a_test_is_found_out"), None);
    assert_eq!(not_shown("host/src/protocol/note.rs::a_note_is_one_short_line_that_can_be_seen"), None);
    for claim in ["docs.rs", "docs.rs::tests_in", "docs.rs::a_claim", "nowhere.rs::a_claim"] {
        assert!(not_shown(claim).is_some(), "{claim}");
    }
}

/// Every document of the repository.
fn documents() -> Vec<(PathBuf, String)> {
    files(&repository(), ".md").into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// A document's lines with whether each stands in a fenced block, and what the fence says of it.
fn lines(document: &str) -> Vec<(usize, Option<String>, &str)> {
    let mut fence: Option<String> = None;
    let mut lines = Vec::new();
    for (number, line) in document.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &fence) {
            (Some(language), None) => fence = Some(language.trim().to_owned()),
            (Some(_), Some(_)) => fence = None,
            (None, _) => lines.push((number + 1, fence.clone(), line)),
        }
    }
    lines
}

/// The targets of the links in a line of prose.
fn links(line: &str) -> Vec<String> {
    // What stands in backquotes is code, and links nowhere.
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.trim().to_owned()).collect()
}

/// The anchor that a heading is linked by.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>();
    kept.replace(' ', "-")
}

fn anchors(document: &str) -> Vec<String> {
    let prose = lines(document).into_iter().filter(|(_, fence, _)| fence.is_none());
    prose.filter(|(_, _, line)| line.starts_with('#')).map(|(_, _, line)| anchor(line.trim_start_matches('#'))).collect()
}

/// What is wrong with a link from this document, if anything.
fn broken(from: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, fragment) = target.split_once('#').map_or((target, None), |(file, fragment)| (file, Some(fragment)));
    let path = if file.is_empty() { from.to_owned() } else { from.parent().unwrap().join(file) };
    if !path.exists() {
        return Some(format!("{target} leads nowhere"));
    }
    let fragment = fragment?;
    (!anchors(&read(&path)).iter().any(|anchor| anchor == fragment)).then(|| format!("{target}: there is no such heading"))
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, document) in documents() {
        for (number, _, line) in lines(&document).into_iter().filter(|(_, fence, _)| fence.is_none()) {
            for target in links(line) {
                seen += 1;
                wrong.extend(broken(&path, &target).map(|what| format!("{}:{number}: {what}", path.display())));
            }
        }
    }
    assert!(seen >= 10, "only {seen} links were seen");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_link_is_told_from_what_only_looks_like_one() {
    assert_eq!(links("see [a](b.md#c) and [d]( e ), not `[f](g)`"), ["b.md#c", "e"]);
    assert_eq!(anchor(" What `notify` can answer?"), "what-notify-can-answer");
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("a.md");
    std::fs::write(&from, "# One\n```\n# Two\n```\n").unwrap();
    assert_eq!(broken(&from, "#one"), None);
    assert_eq!(broken(&from, "a.md#one"), None);
    assert_eq!(broken(&from, "https://example.com/nowhere"), None);
    assert!(broken(&from, "#two").is_some());
    assert!(broken(&from, "b.md").is_some());
}

/// The commands of this program in a document's shell blocks: the words that follow its name.
fn commands(document: &str) -> Vec<(usize, Vec<String>)> {
    let mut commands = Vec::new();
    let mut unfinished: Option<(usize, String)> = None;
    for (number, fence, line) in lines(document) {
        let language = fence.as_deref().and_then(|fence| fence.split(' ').next()).unwrap_or_default();
        let line = match language {
            "sh" => line,
            "console" if unfinished.is_some() => line,
            // What does not begin with a prompt is what the command said.
            "console" => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")).unwrap_or_default(),
            _ => continue,
        };
        let (start, mut whole) = unfinished.take().unwrap_or((number, String::new()));
        whole.push_str(line);
        match whole.strip_suffix('\\') {
            Some(more) => unfinished = Some((start, more.to_owned())),
            None => commands.extend(commands_in(&whole).into_iter().map(|words| (start, words))),
        }
    }
    commands
}

/// The same in one line of shell.
fn commands_in(line: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for simple in simple_commands(line) {
        let mut words = simple.into_iter().peekable();
        // What stands before the program: variables, and who runs it.
        while let Some(word) = words.peek().cloned() {
            let assigns =
                word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            if assigns || word == "exec" || word == "env" {
                words.next();
            } else if word == "sudo" {
                words.next();
                while words.peek().is_some_and(|option| option.starts_with('-')) {
                    if words.next().as_deref() == Some("-u") {
                        words.next();
                    }
                }
            } else {
                break;
            }
        }
        if words.next().is_some_and(|program| program.rsplit('/').next() == Some("ciba-host")) {
            commands.push(words.collect());
        }
    }
    commands
}

/// Splits at `|`, `&`, `;`, `(` and `)` outside quotes; drops comments and what redirects.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut simple = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in line.chars().chain(['\n']) {
        match (character, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('(', Some('"')) if word.as_deref().is_some_and(|word| word.ends_with('$')) => {
                // A command inside a quoted word: what is before it and after it matters to nobody here.
                (word, quote) = (None, None);
                simple.push(Vec::new());
            }
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            ('|' | '&' | ';' | '(' | ')', None) => {
                simple.last_mut().unwrap().extend(word.take());
                simple.push(Vec::new());
            }
            ('>' | '<', None) => {
                simple.last_mut().unwrap().extend(word.take());
                // A file, and no word of the command.
                simple.push(vec!["(redirected)".to_owned()]);
            }
            (c, None) if c.is_whitespace() => simple.last_mut().unwrap().extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    simple.last_mut().unwrap().extend(word.take());
    simple
}

/// What the program's own help says of one command.
#[derive(Debug, Default)]
struct Help {
    subcommands: BTreeSet<String>,
    /// Each option, and whether a value follows it.
    options: BTreeMap<String, bool>,
    positionals: usize,
}

impl Help {
    fn of(path: &[String]) -> Self {
        let output = Command::new(program()).args(path).arg("--help").output().unwrap();
        assert!(output.status.success(), "{path:?} --help: {}", String::from_utf8_lossy(&output.stderr));
        Self::parse(&String::from_utf8(output.stdout).unwrap())
    }

    fn parse(help: &str) -> Self {
        let mut this = Self::default();
        let mut heading = "";
        for line in help.lines() {
            if !line.starts_with(' ') {
                heading = line.trim();
                continue;
            }
            let entry = line.trim_start();
            let indented = line.len() - entry.len();
            match heading {
                "Commands:" if indented == 2 => this.subcommands.extend(entry.split_whitespace().next().map(str::to_owned)),
                "Arguments:" if entry.starts_with(['<', '[']) => this.positionals += 1,
                "Options:" if entry.starts_with('-') => {
                    let names: Vec<&str> =
                        entry.split("  ").next().unwrap_or_default().split([',', ' ']).filter(|name| !name.is_empty()).collect();
                    let takes_value = names.iter().any(|name| name.starts_with('<'));
                    this.options.extend(names.iter().filter(|name| name.starts_with('-')).map(|name| ((*name).to_owned(), takes_value)));
                }
                _ => {}
            }
        }
        this
    }
}

/// What the program would not understand in a command, if anything.
fn misunderstood(words: &[String], help: &mut BTreeMap<Vec<String>, Help>) -> Option<String> {
    let mut path: Vec<String> = Vec::new();
    let mut positionals = 0;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let here = help.entry(path.clone()).or_insert_with(|| Help::of(&path));
        if word == "--" {
            break;
        }
        if matches!(word.as_str(), "--help" | "-h" | "--version" | "-V") {
            return None;
        }
        if let Some(option) = word.strip_prefix('-').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').map_or((word.as_str(), None), |(name, value)| (&word[..=name.len()], Some(value)));
            match here.options.get(name) {
                None => return Some(format!("`{}` has no option {name}", path.join(" "))),
                Some(true) if value.is_none() && words.next().is_none() => return Some(format!("{name} takes a value")),
                Some(_) => {}
            }
        } else if !here.subcommands.is_empty() {
            if !here.subcommands.contains(word) {
                return Some(format!("`{}` has no command {word}", path.join(" ")));
            }
            path.push(word.clone());
        } else {
            positionals += 1;
            if positionals > here.positionals {
                return Some(format!("`{}` does not take {word} as well", path.join(" ")));
            }
        }
    }
    let here = help.entry(path.clone()).or_insert_with(|| Help::of(&path));
    (!here.subcommands.is_empty()).then(|| format!("`{}` needs a command", path.join(" ")))
}

#[test]
fn every_command_that_is_written_down_is_one_the_program_knows() {
    let mut help = BTreeMap::new();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, document) in documents() {
        for (number, words) in commands(&document) {
            seen += 1;
            wrong.extend(misunderstood(&words, &mut help).map(|what| format!("{}:{number}: {what}", path.display())));
        }
    }
    assert!(seen >= 20, "only {seen} commands were seen");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_the_program_tells_people_to_run_is_what_it_knows() {
    let mut help = BTreeMap::new();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, tokens) in sources("") {
        for token in tokens {
            let Kind::Text(text) = token.kind else { continue };
            let in_quotes = text.split('`').skip(1).step_by(2).map(str::to_owned);
            let to_do = text.split_once("do: ").map(|(_, todo)| todo.split([',', '\n']).next().unwrap_or_default().to_owned());
            for command in in_quotes.chain(to_do).filter(|command| command.starts_with("ciba-host ")) {
                // Whatever is filled in later stands for one word, or for options that were checked elsewhere.
                let words: Vec<String> =
                    command.split_whitespace().skip(1).map(|word| word.trim_end_matches(['.', ',', ';']).to_owned()).collect();
                let words: Vec<String> = words.into_iter().filter(|word| !word.ends_with("missing}") && !word.contains("option")).collect();
                seen += 1;
                wrong.extend(misunderstood(&words, &mut help).map(|what| format!("{}:{}: {command}: {what}", path.display(), token.line)));
            }
        }
    }
    assert!(seen >= 10, "only {seen} commands were seen");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn commands_are_found_in_every_way_they_are_written() {
    let document = "```sh\nsudo -u ciba-host ciba-host --data X status # now\nA=1 target/debug/ciba-host \\\n  plugin list | grep x; echo ciba-host\n\
                    cp a ciba-host && link=\"$(ciba-host console --json)\" > file\n```\n```console\n$ ciba-host client add 'a b'\nciba-host said this\n```\n\
                    ```text\nciba-host none\n```\nciba-host none\n";
    let found: Vec<String> = commands(document).into_iter().map(|(line, words)| format!("{line} {}", words.join("|"))).collect();
    assert_eq!(found, ["2 --data|X|status", "3 plugin|list", "5 console|--json", "8 client|add|a b"]);
}

#[test]
fn a_command_that_the_program_does_not_know_is_found_out() {
    let mut help = BTreeMap::new();
    let mut judge = |line: &str| misunderstood(&line.split(' ').map(str::to_owned).collect::<Vec<_>>(), &mut help);
    for right in [
        "--data X plugin list",
        "plugin list --json --data=X",
        "plugin build . --out x -- --locked --whatever",
        "--version",
        "user enrol alice",
    ] {
        assert_eq!(judge(right), None, "{right}");
    }
    for (wrong, says) in [
        ("plugin lst", "no command lst"),
        ("plugin", "needs a command"),
        ("plugin list --jason", "no option --jason"),
        ("user enrol alice bob", "does not take bob"),
        ("client add x --secret-file", "takes a value"),
        ("serve --port 1", "no option --port"),
    ] {
        assert!(judge(wrong).is_some_and(|what| what.contains(says)), "{wrong}: {:?}", judge(wrong));
    }
}
