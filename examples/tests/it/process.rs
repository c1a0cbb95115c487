//! Programs as people start them.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Nothing here takes a tenth of it; but the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// One of the programs, in a folder without an `rpc.toml`, and without variables that it would read. What it would put
/// into a folder of the user's goes there, too.
pub(crate) fn program(path: &str, folder: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RPC_")) {
        command.env_remove(name);
    }
    // A machine that tests many things at once gets little done, and what fails in these tests should fail for another
    // reason.
    command.env("RPC_SERVER_ADMISSION", "off");
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program to its end.
pub(crate) async fn run(command: &mut Command) -> Ended {
    let output = timeout(PATIENCE, command.output()).await.expect("it should have ended").unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A program that runs, read line by line.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), child, lines }
    }

    /// Reads until a line has this in it.
    pub(crate) async fn says(&mut self, part: &str) -> String {
        let found = timeout(PATIENCE, async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("it ended without saying `{part}`"));
                if line.contains(part) {
                    return line;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("it does not say `{part}`"))
    }

    /// The next line; none at the end.
    pub(crate) async fn next_line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.lines.next_line()).await.expect("it should have said something").unwrap()
    }

    /// What it says on standard error until its end, where a pipe was asked for.
    pub(crate) async fn errors(&mut self) -> String {
        let mut errors = String::new();
        let pipe = self.child.stderr.as_mut().expect("a pipe");
        timeout(PATIENCE, pipe.read_to_string(&mut errors)).await.expect("it should have ended").unwrap();
        errors
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// Waits for its end and gives its exit code; `None` when a signal ended it.
    pub(crate) async fn ends(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("it should have ended").unwrap().code()
    }
}

/// Sends a signal to a process.
pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(number(pid), signal).unwrap();
}

/// Whether a process is there; one that has ended and was not waited for counts as gone.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    test_kill_process(number(pid)).is_ok() && !zombie
}

fn number(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}
