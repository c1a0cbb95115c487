//! Instructions per call.
//!
//! The one figure that a busy machine can repeat. Client and server are processes of their own, each under callgrind,
//! each with one thread: 100-byte unary echo, 32 in flight, one connection. A run of `n` calls and one of `3n` are
//! subtracted, so that starting up does not count.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};
use tabled::{builder::Builder, settings::Style};

/// What is measured, and what it stands on.
const ARMS: [(&str, &str); 4] =
    [("tonic", "tonic"), ("ours over gRPC", "tonic"), ("tarpc", "tarpc"), ("ours over tarpc", "tarpc")];

/// Instructions per call, on each side.
#[derive(Clone, Copy)]
struct Cost {
    server: u64,
    client: u64,
}

impl Cost {
    fn sum(self) -> u64 {
        self.server + self.client
    }
}

pub(crate) fn instructions(limit: f64, calls: u64) -> Result<ExitCode> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("callgrind is missing; as root:\n    apt-get install --no-install-recommends -y valgrind");
    }
    let build = &["build", "--package", "rpc-bench", "--profile", "bench-lto"];
    if !shell::succeeds(&mut shell::cargo(build))? {
        bail!("the programs to be measured do not build");
    }
    let program = shell::target().join("bench-lto/rpc-bench");
    let mut costs = Vec::new();
    for (arm, _) in ARMS {
        eprintln!("measuring {arm} ...");
        costs.push(cost(&program, &arm.to_lowercase().replace(' ', "-"), calls).with_context(|| arm.to_owned())?);
    }
    Ok(report(&costs, limit))
}

fn report(costs: &[Cost], limit: f64) -> ExitCode {
    let mut table = Builder::new();
    table.push_record(["", "server", "client", "sum", "ratio"]);
    let mut within = true;
    for ((arm, base), cost) in ARMS.iter().zip(costs) {
        let base =
            ARMS.iter().zip(costs).find(|((name, _), _)| name == base).map_or(cost.sum(), |(_, cost)| cost.sum());
        let ratio = cost.sum() as f64 / base as f64;
        within &= ratio <= limit;
        let figures = [cost.server, cost.client, cost.sum()].map(|figure| figure.to_string());
        table.push_record([*arm, &figures[0], &figures[1], &figures[2], &format!("{ratio:.2}")]);
    }
    println!(
        "instructions per unary call (100 bytes, 32 in flight, one connection)\n{}",
        table.build().with(Style::markdown())
    );
    if within {
        return ExitCode::SUCCESS;
    }
    println!("dearer than what it stands on: a ratio is over {limit:.2}");
    ExitCode::FAILURE
}

fn cost(program: &Path, arm: &str, calls: u64) -> Result<Cost> {
    let few = run(program, arm, calls)?;
    let many = run(program, arm, 3 * calls)?;
    let per_call = |many: u64, few: u64| many.saturating_sub(few) / (2 * calls);
    Ok(Cost { server: per_call(many.server, few.server), client: per_call(many.client, few.client) })
}

/// The instructions that both sides take for `calls` calls and all that comes before and after.
fn run(program: &Path, arm: &str, calls: u64) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let (server_out, client_out) = (folder.path().join("server"), folder.path().join("client"));
    let mut server =
        callgrind(program, &server_out, &["server", arm]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let address = first_line(&mut server)?;
    let mut client = callgrind(program, &client_out, &["client", arm, &address, &calls.to_string()]).spawn()?;
    if !client.wait()?.success() {
        bail!("the client failed");
    }
    // The server ends with its input.
    drop(server.stdin.take());
    if !server.wait()?.success() {
        bail!("the server failed");
    }
    Ok(Cost { server: total(&server_out)?, client: total(&client_out)? })
}

fn callgrind(program: &Path, out: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(program).args(arguments);
    command
}

fn first_line(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.as_mut().context("no output to read")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim().is_empty() {
        bail!("the server did not say where it listens");
    }
    Ok(line.trim().to_owned())
}

fn total(out: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(out).context("callgrind wrote nothing")?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    Ok(totals.context("callgrind wrote no totals")?.trim().parse()?)
}
