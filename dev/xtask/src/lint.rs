//! What a program can say of the code without running it.

use crate::{shell, tidy};
use anyhow::Result;
use std::process::{Command, ExitCode};

pub(crate) fn run() -> Result<ExitCode> {
    let mut failed = Vec::new();
    for mut command in commands() {
        if !shell::succeeds(&mut command)? {
            failed.push(shell::line(&command));
        }
    }
    println!("\n$ house rules");
    let broken = tidy::check()?;
    for rule in &broken {
        println!("{rule}");
    }
    if !broken.is_empty() {
        failed.push(format!("house rules ({} broken)", broken.len()));
    }
    if failed.is_empty() {
        println!("\nlint: nothing to complain of");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nlint: {} failed:\n    {}", failed.len(), failed.join("\n    "));
    Ok(ExitCode::FAILURE)
}

fn commands() -> [Command; 3] {
    let mut documentation = shell::cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    [
        shell::cargo(&["fmt", "--all", "--check"]),
        shell::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        documentation,
    ]
}
