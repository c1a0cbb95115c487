//! Programs run under valgrind, and what it counts.

use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Both sides of a wire.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) server: u64,
    pub(super) client: u64,
}

impl Cost {
    pub(super) fn sum(self) -> u64 {
        self.server + self.client
    }
}

/// What a process asked of the allocator.
#[derive(Clone, Copy)]
pub(super) struct Heap {
    pub(super) allocations: u64,
    pub(super) bytes: u64,
}

/// Instructions that one piece of work takes on each side: a run of `times` pieces and one of three times as many are
/// subtracted, so that starting up does not count. A piece is `size` units, and the cost is that of a unit.
pub(super) fn on_a_wire(program: &Path, arm: &str, work: &str, times: u64, size: u64) -> Result<Cost> {
    let few = on_a_wire_in_all(program, arm, work, times)?;
    let many = on_a_wire_in_all(program, arm, work, 3 * times)?;
    let per_unit = |many: u64, few: u64| many.saturating_sub(few) / (2 * times * size);
    Ok(Cost { server: per_unit(many.server, few.server), client: per_unit(many.client, few.client) })
}

/// Instructions per call that stays in the process.
pub(super) fn in_process(program: &Path, way: &str, calls: u64) -> Result<u64> {
    let in_all = |calls: u64| -> Result<u64> {
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("local");
        let mut command = callgrind(program, &out, &["local", way, &calls.to_string()]);
        if !command.stdout(Stdio::null()).status()?.success() {
            bail!("the program failed");
        }
        total(&out)
    };
    Ok(in_all(3 * calls)?.saturating_sub(in_all(calls)?) / (2 * calls))
}

/// Allocations per call that stays in the process.
pub(super) fn heap(program: &Path, way: &str, calls: u64) -> Result<Heap> {
    let in_all = |calls: u64| -> Result<Heap> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"]);
        let output = command.arg(program).args(["local", way, &calls.to_string()]).output()?;
        used(&String::from_utf8_lossy(&output.stderr)).context("valgrind did not say how the heap was used")
    };
    let (few, many) = (in_all(calls)?, in_all(3 * calls)?);
    let per_call = |many: u64, few: u64| many.saturating_sub(few) / (2 * calls);
    Ok(Heap { allocations: per_call(many.allocations, few.allocations), bytes: per_call(many.bytes, few.bytes) })
}

/// Reads `==7== total heap usage: 1,234 allocs, 1,200 frees, 56,789 bytes allocated`.
fn used(text: &str) -> Option<Heap> {
    let rest = text.lines().find_map(|line| line.split_once("total heap usage: "))?.1;
    let mut numbers = rest.split(", ").filter_map(|part| part.split(' ').next()?.replace(',', "").parse().ok());
    let (allocations, _frees, bytes) = (numbers.next()?, numbers.next()?, numbers.next()?);
    Some(Heap { allocations, bytes })
}

/// The instructions that both sides take for all of the work and all that comes before and after.
fn on_a_wire_in_all(program: &Path, arm: &str, work: &str, times: u64) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let (server_out, client_out) = (folder.path().join("server"), folder.path().join("client"));
    let mut server =
        callgrind(program, &server_out, &["server", arm]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let address = first_line(&mut server)?;
    let mut client = callgrind(program, &client_out, &["client", arm, work, &address, &times.to_string()]).spawn()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_valgrind_says_of_the_heap_is_read() {
        let text = "==7== HEAP SUMMARY:\n==7==   total heap usage: 1,234 allocs, 1,200 frees, 56,789 bytes allocated\n";
        let heap = used(text).unwrap();
        assert_eq!((heap.allocations, heap.bytes), (1234, 56_789));
        assert!(used("==7== All heap blocks were freed").is_none());
    }
}
