//! The house rules that a program can check. Each function is one rule, and returns what breaks it.

use crate::{public, shell};
use anyhow::{Context, Result};
use std::{collections::BTreeSet, fs, path::Path};

/// A file with code is read in one sitting.
const FILE: usize = 500;

/// Characters in a line of comments; code has as many, which `rustfmt` sees to, and it leaves comments alone.
const WIDTH: usize = 120;

/// How long the examples' own transport may be, as the changelog says: more would be no example.
const OWN_TRANSPORT: (&str, usize) = ("examples/src/json_lines.rs", 200);

/// Everybody who depends on the core pays for what it drags in.
const CORE_CRATES: usize = 45;

/// What a newcomer's first `cargo run` may compile.
const QUICKSTART_CRATES: usize = 230;

/// Protocols and registries, none of which the core may know.
const BELOW_THE_SEAM: [&str; 11] = [
    "http",
    "h2",
    "hyper",
    "tonic",
    "tarpc",
    "zookeeper",
    "zookeeper_client",
    "axum",
    "rustls",
    "tokio_rustls",
    "webpki",
];

/// What breaks the rules, a line each.
pub(crate) fn check() -> Result<Vec<String>> {
    let files = tracked_files()?;
    let mut broken = Vec::new();
    broken.extend(long_files(&files));
    broken.extend(wide_comments(&files));
    broken.extend(own_transport(&files));
    broken.extend(left_overs(&files));
    broken.extend(places_of_this_machine(&files));
    broken.extend(unseen_tests(&files));
    broken.extend(core_dependencies()?);
    broken.extend(quickstart_dependencies()?);
    broken.extend(core_sources(&files));
    broken.extend(lines_without_target(&files));
    broken.extend(public::check(&files)?);
    broken.extend(readme_commands()?);
    broken.extend(changelog()?);
    Ok(broken)
}

pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

fn tracked_files() -> Result<Vec<File>> {
    let list = shell::output(std::process::Command::new("git").args(["ls-files"]).current_dir(shell::root()))?;
    let mut files = Vec::new();
    for path in list.lines() {
        // Not every file is text, and one may be deleted but not yet committed.
        if let Ok(text) = fs::read_to_string(shell::root().join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn long_files(files: &[File]) -> Vec<String> {
    let counts = |file: &&File| file.path.ends_with(".rs") && !file.path.contains("/tests/");
    let lines = |file: &File| file.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    let long = files.iter().filter(counts).filter(|file| lines(file) > FILE);
    long.map(|file| format!("{}: {} lines before its tests; split it ({FILE} at most)", file.path, lines(file)))
        .collect()
}

/// Comments, and the text of documents. A row of a table cannot be wrapped, nor what stands in a fence; what a macro
/// has expanded to is nobody's writing.
fn wide_comments(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with(".out.rs")) {
        let (code, document) = (file.path.ends_with(".rs"), file.path.ends_with(".md"));
        let mut fenced = false;
        for (number, line) in file.text.lines().enumerate() {
            let comment = line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!', ' ']));
            let Some(text) = comment.filter(|_| code).or(document.then_some(line)) else {
                fenced = false;
                continue;
            };
            fenced ^= text.starts_with("```");
            if !fenced && !text.starts_with('|') && line.chars().count() > WIDTH {
                broken.push(format!("{}:{}: over {WIDTH} characters; wrap it", file.path, number + 1));
            }
        }
    }
    broken
}

fn own_transport(files: &[File]) -> Vec<String> {
    let (path, limit) = OWN_TRANSPORT;
    match files.iter().find(|file| file.path == path).map(|file| file.text.lines().count()) {
        Some(lines) if lines < limit => Vec::new(),
        Some(lines) => vec![format!("{path}: {lines} lines; it is promised in under {limit}")],
        None => vec![format!("{path} is not there")],
    }
}

fn left_overs(files: &[File]) -> Vec<String> {
    // Written apart, so that this file does not break its own rule.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ign", "ore"), concat!("allow(dead", "_code)")];
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: `{word}`: do it, or open an issue", file.path, number + 1));
            }
        }
    }
    broken
}

fn places_of_this_machine(files: &[File]) -> Vec<String> {
    let words = [concat!("/wo", "rk/"), concat!("../sha", "red"), concat!("crates", ".io/"), concat!("pypi", ".org")];
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.path != "Cargo.lock") {
        for word in words.iter().filter(|word| file.text.contains(**word)) {
            broken.push(format!("{}: names `{word}`, which is a place of one machine or a host", file.path));
        }
    }
    broken
}

/// A file beside the `main.rs` of tests is one of its modules, or a program of its own: nobody would compile it
/// otherwise, and tests that are not compiled do not fail.
fn unseen_tests(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    let mains = files.iter().filter(|file| file.path.contains("/tests/"));
    for (folder, main) in mains.filter_map(|file| Some((file.path.strip_suffix("main.rs")?, file))) {
        let manifest = files.iter().find(|file| file.path.strip_prefix(folder) == Some("Cargo.toml"));
        for file in files.iter().filter(|file| file.path != main.path) {
            let name = file.path.strip_prefix(folder).and_then(|name| name.strip_suffix(".rs"));
            let Some(name) = name.filter(|name| !name.contains('/')) else { continue };
            let target = format!("path = \"{name}.rs\"");
            let seen = main.text.contains(&format!("mod {name};"))
                || manifest.is_some_and(|manifest| manifest.text.contains(&target));
            if !seen {
                broken.push(format!("{}: nobody compiles it: `mod {name};` is not in {}", file.path, main.path));
            }
        }
    }
    broken
}

fn crates(arguments: &[&str]) -> Result<BTreeSet<String>> {
    let tree = shell::output(&mut shell::cargo(arguments))?;
    // `name v1.2.3 (proc-macro) (*)`: a crate in two versions is compiled twice, and counts twice.
    let name = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(tree.lines().map(name).filter(|name| !name.is_empty()).collect())
}

fn core_dependencies() -> Result<Vec<String>> {
    let crates = crates(&["tree", "-p", "rpc-core", "-e", "normal", "--prefix", "none"])?;
    let mut broken = Vec::new();
    if crates.len() >= CORE_CRATES {
        broken.push(format!("rpc-core: {} crates; under {CORE_CRATES} are allowed", crates.len()));
    }
    for name in crates.iter().filter_map(|name| name.split_whitespace().next()) {
        if BELOW_THE_SEAM.contains(&name.replace('-', "_").as_str()) {
            broken.push(format!("rpc-core depends on {name}, which is below its seam"));
        }
    }
    Ok(broken)
}

fn quickstart_dependencies() -> Result<Vec<String>> {
    let crates = crates(&["tree", "-p", "examples", "-e", "normal,build", "--prefix", "none"])?;
    if crates.len() <= QUICKSTART_CRATES {
        return Ok(Vec::new());
    }
    Ok(vec![format!("examples: {} crates; at most {QUICKSTART_CRATES} are allowed", crates.len())])
}

/// `rpc-core` names no protocol's library in its code. (In documentation it may say why.)
fn core_sources(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("rpc-core/src/")) {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in BELOW_THE_SEAM.iter().filter(|name| code.contains(&format!("{name}::"))) {
                broken.push(format!("{}:{}: the core names {name}", file.path, number + 1));
            }
        }
    }
    broken
}

/// What a library logs has a target that does not change, and not the module in which the line happens to stand.
fn lines_without_target(files: &[File]) -> Vec<String> {
    const LEVELS: [&str; 6] = ["trace!(", "debug!(", "info!(", "warn!(", "error!(", "event!("];
    let is_library = |path: &str| path.starts_with("rpc") && path.contains("/src/") && path.ends_with(".rs");
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| is_library(&file.path)) {
        let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (at, level) in LEVELS.iter().flat_map(|level| code.match_indices(level)) {
            let before = &code[..at];
            let line = before.rsplit('\n').next().unwrap_or_default();
            let is_part = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let arguments = code[at + level.len()..].trim_start();
            if !is_part && !line.contains("//") && !arguments.starts_with("target:") {
                let number = before.matches('\n').count() + 1;
                broken.push(format!("{}:{number}: `{level}..)` begins with no `target:`", file.path));
            }
        }
    }
    broken
}

/// What README tells people to type exists.
fn readme_commands() -> Result<Vec<String>> {
    let readme = fs::read_to_string(shell::root().join("README.md")).context("README.md")?;
    let mut broken = Vec::new();
    for promise in ["cargo run --release --bin quickstart", "cargo xtask test"] {
        if !readme.contains(promise) {
            broken.push(format!("README.md does not promise `{promise}`"));
        }
    }
    let words: Vec<_> = readme.split_whitespace().collect();
    for pair in words.windows(2).filter(|pair| pair[0] == "--bin") {
        let name = pair[1].trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let bins = Path::new("examples/src/bin");
        let exists = |file: &Path| shell::root().join(file).exists();
        if !exists(&bins.join(format!("{name}.rs"))) && !exists(&bins.join(name).join("main.rs")) {
            broken.push(format!("README.md names a program that is not there: {name}"));
        }
    }
    Ok(broken)
}

fn changelog() -> Result<Vec<String>> {
    let changelog = fs::read_to_string(shell::root().join("CHANGELOG.md")).context("CHANGELOG.md")?;
    let version = env!("CARGO_PKG_VERSION");
    if changelog.contains(&format!("## {version}")) {
        return Ok(Vec::new());
    }
    Ok(vec![format!("CHANGELOG.md has no section `## {version}`")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_that_are_too_wide_are_named() {
        let wide = "가".repeat(WIDTH);
        let text = format!(
            "// {wide}\nlet a = \"{wide}-\";\n    /// {}\n/// | {wide} |\n/// ```\n/// {wide}\n/// ```\n//! {wide}\n",
            "a".repeat(WIDTH - 8)
        );
        let file = |path: &str| File { path: path.to_owned(), text: text.clone() };
        let broken = wide_comments(&[file("a.rs"), file("a.out.rs"), file("a.toml")]);
        assert_eq!(broken, ["a.rs:1", "a.rs:8"].map(|place| format!("{place}: over 120 characters; wrap it")));

        let text = format!("{wide}\n{wide}.\n| {wide} |\n```sh\n{wide}.\n```\n- {wide}\n");
        let broken = wide_comments(&[File { path: "a.md".to_owned(), text }]);
        assert_eq!(broken, ["a.md:2", "a.md:7"].map(|place| format!("{place}: over 120 characters; wrap it")));
    }

    #[test]
    fn tests_that_nobody_compiles_are_named() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("a/tests/it/main.rs", "mod seen;\n"),
            file("a/tests/it/seen.rs", ""),
            file("a/tests/it/unseen.rs", ""),
            file("a/tests/it/common/mod.rs", ""),
            file("a/tests/alone.rs", ""),
            file("b/tests/main.rs", "mod seen;\n"),
            file("b/tests/alone.rs", ""),
            file("b/tests/Cargo.toml", "[[test]]\npath = \"alone.rs\"\n"),
        ];
        let broken = unseen_tests(&files);
        assert!(broken.len() == 1 && broken[0].starts_with("a/tests/it/unseen.rs: nobody compiles it"), "{broken:?}");
    }

    #[test]
    fn lines_of_the_log_without_a_target_are_named() {
        let text = "//! `tracing::info!(\"..\")`\nfn a() {\n    tracing::warn!(target: TARGET, \"good\");\n    \
                    tracing::info!(\n        target: TARGET, \"good\"\n    );\n    tracing::debug!(%error, \"bad\");\n    \
                    error!(\"bad\");\n    compile_error!(\"no log\");\n}\n\n#[cfg(test)]\nmod tests {\n    info!(\"free\");\n}\n";
        let file = |path: &str| File { path: path.to_owned(), text: text.to_owned() };
        let broken = lines_without_target(&[file("rpc/src/a.rs"), file("examples/src/a.rs"), file("rpc/tests/a.rs")]);
        let at = |line: usize, level: &str| format!("rpc/src/a.rs:{line}: `{level}!(..)` begins with no `target:`");
        assert_eq!(broken, [at(7, "debug"), at(8, "error")]);
    }
}
