//! What the compiler says about each mistake: the text, its place, and that it is said once.
//!
//! One mistake per file below `tests/ui`, whose name is the sentence; in `together`, as many as its lines count, to see
//! that none hides another. `TRYBUILD=overwrite
//! cargo test -p rpc-macros-mistakes` writes what the compiler says now.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// The compiler whose words the tests expect. Others say the same in other words.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn every_mistake_is_explained_once_where_it_stands() {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui"));
    assert!(files.len() >= 25, "{} mistakes", files.len());
    let compiler = compiler();
    if !compiler.starts_with(COMPILER) {
        // Not by `println!`, which is not shown when a test passes; `cargo xtask test` reads and counts this.
        let line = format!("0 passed, 0 failed, {} not run on {compiler}: they expect {COMPILER}x\n", files.len());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/**/*.rs");
    // Runs the cases, and compares their texts.
    drop(cases);

    let mut wrong = Vec::new();
    for file in &files {
        let said = fs::read_to_string(file.with_extension("stderr")).unwrap_or_default();
        let errors = said.lines().filter(|line| line.starts_with("error")).count();
        let warnings = said.lines().filter(|line| line.starts_with("warning")).count();
        let expected = mistakes(&fs::read_to_string(file).unwrap());
        if (errors, warnings) != (expected, 0) {
            wrong.push(format!("{}: {errors} errors of {expected}, {warnings} warnings", file.display()));
        }
    }
    assert!(wrong.is_empty(), "each mistake is one error and nothing else:\n{}", wrong.join("\n"));
    println!("{} mistakes, one error each", files.len());
}

/// As many as the lines that end in `// 2 mistakes` say; one, if none does.
fn mistakes(source: &str) -> usize {
    let counts = source.lines().filter_map(|line| {
        let (_, note) = line.rsplit_once("// ")?;
        note.strip_suffix(" mistakes").or_else(|| note.strip_suffix(" mistake"))?.parse::<usize>().ok()
    });
    counts.sum::<usize>().max(1)
}

/// As it names itself: `rustc 1.95.0 (59807616e 2026-04-14)`.
#[expect(clippy::disallowed_methods, reason = "the compiler that cargo uses")]
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
