//! What a program can say of the code without running it.

use crate::{shell, tidy};
use anyhow::Result;
use std::process::{Command, ExitCode};

/// Features that the facade is compiled with, and with nothing that only tests or other packages want of its libraries.
/// (So is the facade without a wire in `rpc-macros/mistakes`, and with all of its defaults in the test of README.)
const ALONE: [&str; 2] = ["grpc", "tarpc"];

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

fn commands() -> impl Iterator<Item = Command> {
    let mut documentation = shell::cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    let code = [
        shell::cargo(&["fmt", "--all", "--check"]),
        shell::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        documentation,
    ];
    code.into_iter().chain(ALONE.map(|features| {
        shell::cargo(&["clippy", "-p", "rpc", "--no-default-features", "--features", features, "--", "-D", "warnings"])
    }))
}
