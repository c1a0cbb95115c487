//! Signals that come while a server starts.

use crate::process::{PATIENCE, Running, program, send};
use rpc_testkit::{eventually, scratch};
use rustix::process::Signal;
use std::{fs::File, net::TcpListener};
use tempfile::TempDir;

/// A server that waits for a ZooKeeper which accepts connections and never says a word.
struct Starting {
    server: Running,
    folder: TempDir,
    _zookeeper: TcpListener,
}

impl Starting {
    async fn new() -> Self {
        let folder = scratch("signals").unwrap();
        let zookeeper = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = format!("zookeeper://{}/rpc", zookeeper.local_addr().unwrap());
        let mut command = program(env!("CARGO_BIN_EXE_order-server"), folder.path());
        command.args(["--listen", "127.0.0.1:0", "--registry", &registry]);
        command.stderr(File::create(folder.path().join("log")).unwrap());
        let starting = Self { server: Running::start(&mut command), folder, _zookeeper: zookeeper };
        assert!(eventually(PATIENCE, || starting.says("serving")).await);
        starting
    }

    fn says(&self, part: &str) -> bool {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap().contains(part)
    }
}

#[tokio::test]
async fn a_server_that_is_asked_to_leave_while_it_starts_does_not_start() {
    let mut starting = Starting::new().await;
    send(starting.server.pid(), Signal::TERM);
    assert_eq!(starting.server.ends().await, Some(0));
    assert_eq!(starting.server.next_line().await, None, "it said that it was ready");
    assert!(starting.says("draining; a second signal exits at once") && !starting.says("exiting at once, whatever"));
}

/// Two of one kind may become one on their way, two of different kinds do not.
#[tokio::test]
async fn a_second_signal_ends_a_server_that_starts_at_once() {
    let mut starting = Starting::new().await;
    send(starting.server.pid(), Signal::TERM);
    send(starting.server.pid(), Signal::INT);
    let code = starting.server.ends().await;
    assert!(code == Some(130) || code == Some(143), "{code:?}");
    assert_eq!(starting.server.next_line().await, None, "it said that it was ready");
    assert!(starting.says("exiting at once, whatever"));
}
