//! What the tests need beside Rust.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::{fs::File, path::Path, process::Command};

/// What to do about something that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Install it, saying so.
    Install,
    /// Say what is missing, and the command that installs it.
    Say,
}

/// A package of Debian's.
struct Package {
    name: &'static str,
    why: &'static str,
    /// Whether what it brings is there, wherever it came from.
    present: fn() -> bool,
}

const PACKAGES: [Package; 6] = [
    Package {
        name: "zookeeper",
        why: "a real ZooKeeper for the registry's tests",
        present: || Path::new("/usr/share/java/zookeeper.jar").exists(),
    },
    Package {
        name: "default-jdk-headless",
        why: "runs ZooKeeper, and compiles the program that uses Curator",
        // Without the counters that a virtual machine keeps in /tmp.
        present: || {
            runs("java", &["-XX:-UsePerfData", "-version"]) && runs("javac", &["-J-XX:-UsePerfData", "-version"])
        },
    },
    Package {
        name: "libcurator-discovery-java",
        why: "a real Curator beside the registry",
        present: || Path::new("/usr/share/java/curator-x-discovery.jar").exists(),
    },
    Package {
        name: "libcurator-recipes-java",
        why: "what Curator's discovery needs and does not name",
        present: || Path::new("/usr/share/java/curator-recipes.jar").exists(),
    },
    Package {
        name: "libnss-wrapper",
        why: "names of one process's own, to move them",
        present: || loads("libnss_wrapper.so"),
    },
    Package {
        name: "python3-venv",
        why: "a foreign gRPC client and server",
        present: || runs("python3", &["-c", "import venv, ensurepip"]),
    },
];

/// What the tests' own Python has to have.
const PYTHON: [&str; 2] = ["grpcio", "grpcio-tools"];

/// Sees to everything the tests need.
pub(crate) fn provide(missing: Missing) -> Result<()> {
    packages(missing)?;
    python(missing)
}

fn absent_packages() -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| !(package.present)()).collect()
}

fn packages(missing: Missing) -> Result<()> {
    let absent = absent_packages();
    if absent.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = absent.iter().map(|package| package.name).collect();
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends -y {}", names.join(" "));
    for package in &absent {
        println!("missing: {} ({})", package.name, package.why);
    }
    if missing == Missing::Say || !is_root()? {
        bail!("the tests need more than this machine has; as root:\n    {by_hand}");
    }
    // One checkout at a time, for apt does not wait for another of itself.
    let database = File::open("/var/lib/dpkg").context("cannot open Debian's list of packages")?;
    if database.try_lock().is_err() {
        println!("waiting for another checkout that installs");
        database.lock()?;
        if absent_packages().is_empty() {
            return Ok(());
        }
    }
    println!("installing: {}", names.join(", "));
    let mut install = Command::new("sh");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["-c", &by_hand]);
    if !shell::succeeds(&mut install)? {
        bail!("cannot install what the tests need; try it by hand:\n    {by_hand}");
    }
    Ok(())
}

/// A virtual environment below the target folder: nothing of the machine's own Python changes.
fn python(missing: Missing) -> Result<()> {
    let home = shell::target().join("test-python");
    let python = home.join("bin/python");
    let complete = || runs(&python.to_string_lossy(), &["-c", "import grpc, grpc_tools.protoc"]);
    if complete() {
        return Ok(());
    }
    println!("missing: {} for Python (a foreign gRPC client and server)", PYTHON.join(", "));
    let by_hand = format!(
        "python3 -m venv {home} && {home}/bin/pip install --quiet {packages}",
        home = home.display(),
        packages = PYTHON.join(" ")
    );
    if missing == Missing::Say {
        bail!("the tests need more than this machine has:\n    {by_hand}");
    }
    println!("installing them into {}", home.display());
    let mut install = Command::new("sh");
    install.args(["-c", &by_hand]);
    if !shell::succeeds(&mut install)? || !complete() {
        bail!("cannot install {}; try it by hand:\n    {by_hand}", PYTHON.join(", "));
    }
    Ok(())
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Whether the dynamic linker finds a library, wherever that is. What it does not find it names, and goes on.
fn loads(library: &str) -> bool {
    let mut program = Command::new("true");
    program.env("LD_PRELOAD", library).output().is_ok_and(|output| output.stderr.is_empty())
}

fn is_root() -> Result<bool> {
    Ok(shell::output(Command::new("id").arg("-u"))?.trim() == "0")
}
