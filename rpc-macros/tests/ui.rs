//! What the compiler says about each mistake: the text, its place, and that it is said once.
//!
//! One mistake per file below `tests/ui`, whose name is the sentence. `TRYBUILD=overwrite cargo test -p rpc-macros
//! --test ui` writes what the compiler says now.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn every_mistake_is_explained_once_where_it_stands() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/**/*.rs");
    // Runs the cases, and compares their texts.
    drop(cases);

    let mut wrong = Vec::new();
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui"));
    assert!(!files.is_empty());
    for file in &files {
        let said = fs::read_to_string(file.with_extension("stderr")).unwrap_or_default();
        let errors = said.lines().filter(|line| line.starts_with("error")).count();
        let warnings = said.lines().filter(|line| line.starts_with("warning")).count();
        if (errors, warnings) != (1, 0) {
            wrong.push(format!("{}: {errors} errors, {warnings} warnings", file.display()));
        }
    }
    assert!(wrong.is_empty(), "each mistake is one error and nothing else:\n{}", wrong.join("\n"));
    println!("{} mistakes, one error each", files.len());
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
