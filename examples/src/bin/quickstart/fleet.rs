//! The servers: processes of their own, which end with this one whatever happens to it.

use anyhow::{Context, bail, ensure};
use rpc::{Address, registry::Target};
use rustix::process::{Pid, Signal, kill_process};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// The three servers of a run.
pub(crate) struct Fleet {
    pub(crate) servers: Vec<Server>,
}

/// One server process.
pub(crate) struct Server {
    /// Under this name it counts its calls.
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Where clients reach it.
    pub(crate) address: Address,
    pub(crate) end: End,
    child: Child,
    /// The server leaves when this closes, which the kernel does for a parent that is killed.
    stdin: Option<ChildStdin>,
}

/// Where a server listens and where clients reach it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    listen: Address,
    advertise: Option<Address>,
}

impl Place {
    /// Any free port of an address, which clients reach as it is.
    pub(crate) fn anywhere_on(host: &str) -> Self {
        Self { listen: Address::tcp(host, 0), advertise: None }
    }

    /// Reads `LISTEN=ADDRESS`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (listen, advertise) =
            text.split_once('=').ok_or("write LISTEN=ADDRESS, as 127.0.0.1:7001=127.0.0.1:8001")?;
        let address = |text: &str| text.parse::<Address>().map_err(|error| error.to_string());
        Ok(Self { listen: address(listen)?, advertise: Some(address(advertise)?) })
    }
}

/// How a server's life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// It serves until there is nothing left to do.
    Served,
    /// By SIGTERM, in the middle of the work.
    Stopped,
    /// By SIGKILL, in the middle of the work.
    Killed,
}

impl Fleet {
    /// How long a process may take to be ready, or to leave; far more than it takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Starts a server at each place, all at once, and waits until each says where it listens.
    pub(crate) async fn start(places: &[Place], registry: &Target, data: &Path) -> anyhow::Result<Self> {
        let spawn = |(place, number)| Server::spawn(format!("server-{number}"), registry, place, data);
        let starting = places.iter().zip(1..).map(spawn).collect::<Result<Vec<_>, _>>()?;
        let mut servers = Vec::new();
        for ((server, stdout), place) in starting.into_iter().zip(places) {
            let mut server = server.ready(stdout).await?;
            // Calls are counted where they go.
            server.address = place.advertise.clone().unwrap_or(server.address);
            servers.push(server);
        }
        Ok(Self { servers })
    }

    /// Asks a server to leave, and waits until it has.
    pub(crate) async fn stop(&mut self, index: usize) -> anyhow::Result<()> {
        let server = &mut self.servers[index];
        server.end = End::Stopped;
        server.signal(Signal::TERM)?;
        server.left().await
    }

    /// Kills a server. It learns nothing of it.
    pub(crate) async fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        let server = &mut self.servers[index];
        server.end = End::Killed;
        server.signal(Signal::KILL)?;
        server.child.wait().await.context("waiting for a killed server")?;
        Ok(())
    }

    /// Lets those that still serve leave in peace, and waits for them.
    pub(crate) async fn close(&mut self) -> anyhow::Result<()> {
        for server in &mut self.servers {
            drop(server.stdin.take());
        }
        for server in self.servers.iter_mut().filter(|server| server.end == End::Served) {
            server.left().await?;
        }
        Ok(())
    }
}

impl Server {
    fn spawn(name: String, registry: &Target, place: &Place, data: &Path) -> anyhow::Result<(Self, ChildStdout)> {
        let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
        command.args(["serve", "--listen", &place.listen.to_string(), "--name", &name, "--until-stdin-closes"]);
        command.args(["--cooking-time", "20ms"]);
        if let Some(advertise) = &place.advertise {
            command.arg("--advertise").arg(advertise.to_string());
        }
        command.arg("--registry").arg(registry.to_string()).arg("--data").arg(data);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C is for this process, which then ends the servers in order.
        command.process_group(0);
        let mut child = command.spawn().context("cannot start a server process")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(pid), Some(stdout)) = (child.id(), stdout) else { bail!("{name} ended before it began") };
        Ok((Self { name, pid, address: Address::tcp("", 0), end: End::Served, child, stdin }, stdout))
    }

    /// Waits for the line with the address.
    async fn ready(mut self, stdout: ChildStdout) -> anyhow::Result<Self> {
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let said = timeout(Fleet::PATIENCE, stdout.read_line(&mut line)).await;
        said.with_context(|| format!("{} is not ready after {:?}", self.name, Fleet::PATIENCE))??;
        let address = line.trim_end().rsplit(' ').next().unwrap_or_default();
        ensure!(!address.is_empty(), "{} could not start; what it said stands above", self.name);
        self.address = address.parse().with_context(|| format!("{} said `{}`", self.name, line.trim_end()))?;
        Ok(self)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a process without a number")?;
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    async fn left(&mut self) -> anyhow::Result<()> {
        let status = timeout(Fleet::PATIENCE, self.child.wait()).await;
        let status = status.with_context(|| format!("{} does not leave", self.name))??;
        ensure!(status.success(), "{} left with {status}", self.name);
        Ok(())
    }
}
