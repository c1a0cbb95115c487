//! Every test there is.

use crate::{
    leftovers::Place,
    requirements::{self, Missing},
    shell,
};
use anyhow::{Context, Result};
use std::{
    fmt,
    io::{BufRead, BufReader},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

/// What is run, in this order: the arguments of cargo. All but the first are about the facade with other features, and
/// compile nothing else: `rpc-features` says how.
const RUNS: [(&str, &str); 6] = [
    ("all tests", "--workspace"),
    (
        "the facade with TLS",
        "-p rpc -p rpc-features --no-default-features --features rpc/grpc,rpc/tarpc,rpc/zookeeper,rpc/tls",
    ),
    ("the programs with TLS", "-p examples -p rpc-features --features examples/tls --test it tls::"),
    ("the facade over gRPC alone", "-p rpc -p rpc-features --no-default-features --features rpc/grpc"),
    ("the facade over tarpc alone", "-p rpc -p rpc-features --no-default-features --features rpc/tarpc"),
    ("the facade without a wire, as interface crates have it", "-p rpc -p rpc-features --no-default-features"),
];

/// What test programs have counted.
#[derive(Clone, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// What cannot be run here, and says so.
    not_run: u64,
    /// The lines that say so.
    reasons: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.not_run += other.not_run;
        self.reasons.extend(other.reasons);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.not_run > 0 {
            write!(f, ", {} not run", self.not_run)?;
        }
        Ok(())
    }
}

pub(crate) fn run(missing: Missing) -> Result<ExitCode> {
    requirements::provide(missing)?;
    let place = Place::make()?;
    let mut all = Tally::default();
    for (what, arguments) in RUNS {
        println!("\n==> {what}");
        let begun = now();
        let mut command = shell::cargo(&["test", "--no-fail-fast"]);
        command.args(arguments.split(' '));
        place.give(&mut command);
        let tally = count(&mut command)?;
        println!("==> {what}: {tally}, {} s", begun.elapsed().as_secs());
        all.add(tally);
    }
    let left = place.leave()?;
    if !left.is_empty() {
        println!("\n==> the tests leave something behind\n{}", left.join("\n"));
        all.failed += 1;
    }
    println!("\n{all}");
    let verdict = verdict(&all, std::env::var("CI").ok().as_deref());
    if let Err(reason) = &verdict {
        println!("{reason}");
    }
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether that was good enough. A developer may have another compiler than the one that some tests are written for; on
/// CI that would be tests which nobody runs and which pass.
fn verdict(all: &Tally, ci: Option<&str>) -> Result<(), String> {
    let on_ci = ci.is_some_and(|ci| !matches!(ci, "" | "0" | "false"));
    match all {
        Tally { failed: 1.., .. } => Err("some tests fail".to_owned()),
        Tally { not_run: 1.., reasons, .. } if on_ci => Err(format!(
            "this is CI (the variable CI is set), where nothing may be left out:\n    {}",
            reasons.join("\n    ")
        )),
        _ => Ok(()),
    }
}

/// Runs a command, passing on what it prints, and adds up what its test programs say in the end.
fn count(command: &mut Command) -> Result<Tally> {
    println!("$ {}", shell::line(command));
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| shell::line(command))?;
    let mut tally = Tally::default();
    let stdout = child.stdout.take().context("no output to read")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(counted) = counts(&line) {
            tally.add(counted);
        }
    }
    // A program that does not compile, or dies, has counted nothing; that is a failure of its own.
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed += 1;
    }
    Ok(tally)
}

/// Reads libtest's `test result: ok. 3 passed; 0 failed; ..`, and our own programs' `3 passed, 0 failed, 2 not run ..`.
fn counts(line: &str) -> Option<Tally> {
    let rest = match line.strip_prefix("test result: ") {
        Some(result) => result.split_once(". ")?.1,
        None => line,
    };
    let (passed, rest) = rest.split_once(" passed")?;
    let rest = rest.strip_prefix("; ").or_else(|| rest.strip_prefix(", "))?;
    let (failed, rest) = rest.split_once(" failed")?;
    let not_run = rest.strip_prefix(", ").and_then(|rest| rest.split_once(" not run"));
    let not_run: u64 = not_run.and_then(|(count, _)| count.parse().ok()).unwrap_or(0);
    Some(Tally {
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
        not_run,
        reasons: if not_run > 0 { vec![line.to_owned()] } else { Vec::new() },
    })
}

#[expect(clippy::disallowed_methods, reason = "a program without a runtime, whose time no test pauses")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let counts = |line| counts(line).map(|tally| (tally.passed, tally.failed, tally.not_run));
        assert_eq!(counts("test result: ok. 28 passed; 1 failed; 0 ignored; 0 measured"), Some((28, 1, 0)));
        assert_eq!(counts("test result: FAILED. 27 passed; 1 failed; 0 ignored"), Some((27, 1, 0)));
        assert_eq!(counts("164 passed, 0 failed"), Some((164, 0, 0)));
        assert_eq!(
            counts("0 passed, 0 failed, 116 not run on rustc 1.96.0: they expect rustc 1.95.x"),
            Some((0, 0, 116))
        );
        assert_eq!(counts("conformance: 12 passed, 0 failed"), None);
        assert_eq!(counts("nothing passed here"), None);
    }

    #[test]
    fn what_was_not_run_fails_on_ci_with_the_reason() {
        let line = "0 passed, 0 failed, 116 not run on rustc 1.96.0: they expect rustc 1.95.x";
        let mut all = counts("test result: ok. 28 passed; 0 failed; 0 ignored; 0 measured").unwrap();
        assert_eq!(verdict(&all, Some("true")), Ok(()));
        all.add(counts(line).unwrap());
        for developer in [None, Some(""), Some("false")] {
            assert_eq!(verdict(&all, developer), Ok(()));
        }
        for ci in ["true", "1", "woodpecker"] {
            assert!(verdict(&all, Some(ci)).unwrap_err().ends_with(line));
        }
        all.failed = 1;
        assert!(verdict(&all, None).is_err());
    }
}
