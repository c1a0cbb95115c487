//! The project's own commands: `cargo xtask lint`, `cargo xtask test`, `cargo xtask bench instr`.
//!
//! People and CI run the same ones.

mod bench;
mod leftovers;
mod lint;
mod public;
mod requirements;
mod shell;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, clippy, documentation, and the house rules that a program can check.
    Lint,
    /// Installs what the tests need where it is missing, and runs every test. Ends with `N passed, N failed`; files and
    /// processes that the tests leave behind are a failure.
    Test {
        /// Installs nothing: says what is missing, with the command that installs it, and ends.
        #[arg(long)]
        no_install: bool,
    },
    /// Measures.
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Instructions per call and per message of a stream, both sides, by callgrind: ours beside tonic and tarpc as
    /// documented; and what a call costs that stays in the process.
    Instr {
        /// Fails when a unary call of ours is dearer than this times what it stands on.
        #[arg(long, default_value_t = 1.0)]
        limit: f64,
        /// Calls of the shorter of the two runs that are subtracted from each other.
        #[arg(long, default_value_t = 2000)]
        calls: u64,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Lint => lint::run(),
        Command::Test { no_install } => {
            test::run(if no_install { requirements::Missing::Say } else { requirements::Missing::Install })
        }
        Command::Bench { what: Bench::Instr { limit, calls } } => bench::instructions(limit, calls),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
