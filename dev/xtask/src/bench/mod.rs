//! What a call costs.
//!
//! On a wire: instructions, the one figure that a busy machine can repeat. Client and server are processes of their
//! own, each under callgrind, each with one thread and one connection. In the process: nanoseconds, of which the least
//! of several runs is told since a busy machine only ever adds, and allocations, which are exact.

mod valgrind;

use crate::shell;
use anyhow::{Context, Result, bail};
use std::{
    path::Path,
    process::{Command, ExitCode},
};
use tabled::{builder::Builder, settings::Style};
use valgrind::Cost;

/// One row of the table.
struct Row {
    /// What is measured, as the program has it.
    arm: &'static str,
    /// What it stands on, whose cost is 1.
    base: &'static str,
    work: Work,
}

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Unary,
    ServerStream,
}

impl Work {
    /// As the program has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server-stream",
        }
    }

    /// What one unit of the table is.
    const fn unit(self) -> &'static str {
        match self {
            Self::Unary => "unary call",
            Self::ServerStream => "message of a server stream",
        }
    }

    /// How many units the program does at a time.
    const fn size(self) -> u64 {
        match self {
            Self::Unary => 1,
            Self::ServerStream => 1000,
        }
    }
}

const ROWS: [Row; 7] = [
    Row { arm: "tonic", base: "tonic", work: Work::Unary },
    Row { arm: "ours over gRPC", base: "tonic", work: Work::Unary },
    Row { arm: "tarpc", base: "tarpc", work: Work::Unary },
    Row { arm: "ours over tarpc", base: "tarpc", work: Work::Unary },
    Row { arm: "tonic", base: "tonic", work: Work::ServerStream },
    Row { arm: "ours over gRPC", base: "tonic", work: Work::ServerStream },
    // tarpc has no streams.
    Row { arm: "ours over tarpc", base: "tonic", work: Work::ServerStream },
];

/// How much is between a caller and an implementation in the same process.
const WAYS: [(&str, &str); 3] =
    [("direct", "the trait's method itself"), ("value", "local, by value"), ("wire", "local, through bytes")];

/// Runs of which the fastest is told.
const RUNS: usize = 5;

pub(crate) fn instructions(limit: f64, calls: u64) -> Result<ExitCode> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind is missing; as root:\n    apt-get install --no-install-recommends -y valgrind");
    }
    let build = &["build", "--package", "rpc-bench", "--profile", "bench-lto"];
    if !shell::succeeds(&mut shell::cargo(build))? {
        bail!("the programs to be measured do not build");
    }
    let program = shell::target().join("bench-lto/rpc-bench");
    let mut costs = Vec::new();
    for Row { arm, work, .. } in &ROWS {
        eprintln!("measuring {arm}, {} ...", work.unit());
        let times = calls.div_ceil(work.size());
        let program_arm = arm.to_lowercase().replace(' ', "-");
        let cost = valgrind::on_a_wire(&program, &program_arm, work.name(), times, work.size());
        costs.push(cost.with_context(|| (*arm).to_owned())?);
    }
    let within = report(&costs, limit);
    in_process(&program, calls)?;
    if within {
        return Ok(ExitCode::SUCCESS);
    }
    println!("dearer than what it stands on: a ratio is over {limit:.2}");
    Ok(ExitCode::FAILURE)
}

/// Prints what the wires cost; whether no ratio of unary calls is over the limit.
fn report(costs: &[Cost], limit: f64) -> bool {
    let mut table = Builder::new();
    table.push_record(["per", "", "server", "client", "sum", "ratio"]);
    let mut within = true;
    for (row, cost) in ROWS.iter().zip(costs) {
        let is_base = |other: &Row| other.arm == row.base && other.work == row.work;
        let base = ROWS.iter().zip(costs).find(|(other, _)| is_base(other)).map_or(cost.sum(), |(_, cost)| cost.sum());
        let ratio = cost.sum() as f64 / base as f64;
        // Streams stand beside tonic's, whose items are never erased; the limit is for calls.
        within &= ratio <= limit || row.work != Work::Unary;
        let figures = [cost.server, cost.client, cost.sum()].map(|figure| figure.to_string());
        let ratio = format!("{ratio:.2}");
        table.push_record([row.work.unit(), row.arm, &figures[0], &figures[1], &figures[2], &ratio]);
    }
    println!(
        "instructions (100 bytes a message; calls 32 in flight, streams of 1,000 messages one after the other)\n{}",
        table.build().with(Style::markdown())
    );
    within
}

/// Prints what a call costs that stays in the process.
fn in_process(program: &Path, calls: u64) -> Result<()> {
    let mut table = Builder::new();
    table.push_record(["per call in this process", "nanoseconds", "allocations", "bytes", "instructions"]);
    for (way, what) in WAYS {
        eprintln!("measuring {what} ...");
        let heap = valgrind::heap(program, way, calls)?;
        let figures =
            [nanoseconds(program, way)?, heap.allocations, heap.bytes, valgrind::in_process(program, way, calls)?];
        let figures = figures.map(|figure| figure.to_string());
        table.push_record([what, &figures[0], &figures[1], &figures[2], &figures[3]]);
    }
    println!(
        "\nthe same echo without a wire (the 100 bytes are one allocation of the caller's; the fastest of {RUNS} runs)\n{}",
        table.build().with(Style::markdown())
    );
    Ok(())
}

/// The least that a call took in several runs.
fn nanoseconds(program: &Path, way: &str) -> Result<u64> {
    let run = || -> Result<u64> {
        let text = shell::output(Command::new(program).args(["local", way, "300000"]))?;
        Ok(text.trim().parse()?)
    };
    let runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    runs.into_iter().min().context("no run")
}
