//! A Python that speaks gRPC.

use anyhow::bail;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A Python with `grpcio` and `grpcio-tools`: gRPC as most of the world has it, to be a client or a server beside ours.
///
/// In this order: `RPC_TEST_PYTHON`, the one that `cargo xtask test` keeps in the target folder, the system's.
///
/// # Errors
/// When there is none; says how to come by one.
pub fn python_with_grpcio() -> anyhow::Result<PathBuf> {
    if let Some(chosen) = env::var_os("RPC_TEST_PYTHON").map(PathBuf::from) {
        if speaks_grpc(&chosen) {
            return Ok(chosen);
        }
        bail!("RPC_TEST_PYTHON is {}, which cannot import grpc and grpc_tools.protoc", chosen.display());
    }
    // The test's own binary is somewhere in the target folder, wherever that is.
    let binary = env::current_exe().unwrap_or_default();
    let kept = binary.ancestors().map(|folder| folder.join("test-python/bin/python")).find(|python| python.exists());
    for python in kept.into_iter().chain([PathBuf::from("python3")]) {
        if speaks_grpc(&python) {
            return Ok(python);
        }
    }
    bail!(
        "no Python here has grpcio and grpcio-tools: run `cargo xtask test`, which installs them into the target folder"
    )
}

fn speaks_grpc(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import grpc, grpc_tools.protoc"]).output().is_ok_and(|output| output.status.success())
}
