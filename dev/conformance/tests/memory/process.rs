//! The processes, and how much memory they have.

use crate::{
    Case, Way,
    tank::{Cellar, Pace, TankServer},
};
use rpc::Address;
use rpc_conformance::columns;
use rpc_core::{server, transport::Transport};
use std::{
    env,
    fmt::{self, Display},
    fs,
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
};

/// The variable that says what this program is, in words.
const ROLE: &str = "MEMORY_ROLE";

/// What this program is.
pub(crate) enum Role {
    /// The test, which starts the others.
    Judge,
    /// A server on a wire.
    Server { wire: String },
    /// A client of the server at an address, which is the process of that number.
    Client { wire: String, address: Address, server: u32, case: Case },
}

impl Role {
    /// That of this process.
    pub(crate) fn current() -> Self {
        let Ok(role) = env::var(ROLE) else { return Self::Judge };
        let words: Vec<_> = role.split(' ').collect();
        match words[..] {
            ["server", wire] => Self::Server { wire: wire.to_owned() },
            ["client", wire, address, server, way, size, pace] => Self::Client {
                wire: wire.to_owned(),
                address: address.parse().expect("an address"),
                server: server.parse().expect("a process"),
                case: Case {
                    way: if way == "Up" { Way::Up } else { Way::Down },
                    size: size.parse().expect("a size"),
                    pace: if pace == "Ahead" { Pace::Ahead } else { Pace::AsRead },
                },
            },
            _ => panic!("{ROLE}={role} is no role"),
        }
    }

    fn start(words: impl Display) -> Child {
        let mut program = Command::new(env::current_exe().expect("the path of this program"));
        program.env(ROLE, words.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        program.spawn().expect("this program runs")
    }
}

/// The wire of a name.
pub(crate) fn wire(name: &str) -> Arc<dyn Transport> {
    columns::wires().into_iter().find(|wire| wire.name() == name).expect("a wire of that name")
}

/// A server, seen from the test. It ends with it.
pub(crate) struct Server {
    process: Child,
    wire: &'static str,
    address: String,
}

impl Server {
    /// One that listens.
    pub(crate) fn start(wire: &'static str) -> Self {
        let mut process = Role::start(format_args!("server {wire}"));
        let mut address = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut address).expect("the server says where it is");
        Self { process, wire, address: address.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is its end, as it is when the test is killed.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The server's own life.
pub(crate) fn serve(name: &str) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let server = server::Server::new().transport(wire(name)).service(TankServer::new(Cellar::default()));
    let binding = async { server.expect("one service").bind(&Address::tcp("127.0.0.1", 0)).await };
    let running = runtime.block_on(binding).expect("a port");
    println!("{}", running.address());
    let _ = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

/// What a client found.
pub(crate) struct Verdict {
    /// In a word.
    pub(crate) judgement: Judgement,
    text: String,
}

/// What a client found, in a word. It is what its process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Judgement {
    /// Everything is as it should be.
    Good,
    /// Something is not.
    Bad,
    /// One side had too much memory, whatever else there is.
    Grew,
}

impl From<Judgement> for ExitCode {
    fn from(judgement: Judgement) -> Self {
        Self::from(match judgement {
            Judgement::Good => 0,
            Judgement::Bad => 1,
            Judgement::Grew => 2,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.judgement, self.text.trim())
    }
}

/// Has a client of its own look at a stream.
pub(crate) fn client(server: &Server, Case { way, size, pace }: Case) -> Verdict {
    let (wire, address, number) = (server.wire, &server.address, server.process.id());
    let client = Role::start(format_args!("client {wire} {address} {number} {way:?} {size} {pace:?}"));
    let output = client.wait_with_output().expect("the client runs");
    let judgement = match output.status.code() {
        Some(0) => Judgement::Good,
        Some(2) => Judgement::Grew,
        // It panicked, perhaps.
        _ => Judgement::Bad,
    };
    Verdict { judgement, text: String::from_utf8_lossy(&output.stdout).into_owned() }
}

/// How much memory a process has, in bytes.
pub(crate) struct Memory {
    /// Now.
    pub(crate) now: u64,
    /// The most that it ever had.
    pub(crate) most: u64,
}

impl Memory {
    /// As the kernel tells.
    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
            let kibibytes: u64 = line.trim_end_matches("kB").trim().parse().expect("a number");
            kibibytes * 1024
        };
        Self { now: line("VmRSS:"), most: line("VmHWM:") }
    }
}
