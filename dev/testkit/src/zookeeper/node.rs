//! One process of ZooKeeper.

use crate::{ports::ReservedPort, scratch};
use anyhow::{Context as _, bail, ensure};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// A process of ZooKeeper with a port and a folder of its own; it may be down.
#[derive(Debug)]
pub(super) struct Node {
    port: ReservedPort,
    folder: TempDir,
    process: Option<Child>,
}

impl Node {
    const JARS: [&str; 2] = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"];

    /// A shell stands between the test and the server, and takes signals to send to it, a line each. When its input
    /// ends, it ends the server; that is when `kill` closes it, or when the process of the test is gone, be it by
    /// SIGKILL. (A parent-death signal would fire when a mere thread of the test ends.) Nobody drops what stands in a
    /// static, so the folder goes as well, unless the last line was `keep`.
    const SHELL: &str = r#"
        folder=$1; shift
        "$@" </dev/null & server=$!
        while read -r order && [ "$order" != keep ]; do kill "-$order" $server; done
        kill -9 $server; wait $server
        [ "$order" = keep ] || rm -rf "$folder"
    "#;

    /// One that does not run yet, with what is to stand in its `zoo.cfg`.
    pub(super) fn new(settings: &str) -> anyhow::Result<Self> {
        for jar in Self::JARS {
            ensure!(
                Path::new(jar).exists(),
                "{jar} is missing: run `cargo xtask test`, which installs Debian's packages zookeeper and \
                 default-jdk-headless"
            );
        }
        let (port, folder) = (ReservedPort::reserve()?, scratch("zookeeper")?);
        let data = folder.path().join("data");
        let config = format!(
            "{settings}\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
             admin.enableServer=false\n4lw.commands.whitelist=*\nextendedTypesEnabled=true\n",
            data.display(),
            port.number(),
        );
        fs::create_dir(&data)?;
        fs::write(folder.path().join("zoo.cfg"), config)?;
        Ok(Self { port, folder, process: None })
    }

    /// Which one of an ensemble it is.
    pub(super) fn be_number(&self, number: usize) -> anyhow::Result<()> {
        Ok(fs::write(self.folder.path().join("data/myid"), number.to_string())?)
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Ends it as `kill -9` does; its data stays.
    pub(super) fn kill(&mut self) {
        let _ = self.order("keep");
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            let _ = process.wait();
        }
    }

    /// Sends it a signal, `STOP` or `CONT`.
    pub(super) fn signal(&mut self, name: &str) -> anyhow::Result<()> {
        self.order(name)
    }

    fn order(&mut self, order: &str) -> anyhow::Result<()> {
        let input = self.process.as_mut().and_then(|process| process.stdin.as_mut()).context("it does not run")?;
        Ok(writeln!(input, "{order}")?)
    }

    /// Starts the process, which must not run, without waiting for it to serve.
    pub(super) fn launch(&mut self) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"))?;
        let process = Command::new("sh")
            .args(["-c", Self::SHELL, "sh"])
            .arg(self.folder.path())
            // Without the last, each leaves a file in /tmp, wherever its temporary folder is.
            .args(["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"])
            .args(["-Dzookeeper.jmx.log4j.disable=true", "-Dznode.container.checkIntervalMs=1000"])
            .args(["-cp", &Self::JARS.join(":"), "org.apache.zookeeper.server.quorum.QuorumPeerMain"])
            .arg(self.folder.path().join("zoo.cfg"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start `sh`")?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until it serves, at most 60 s.
    pub(super) async fn serving(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        // A question put too early may never be answered, and on a machine that is very busy none is answered quickly.
        let mut patience = Duration::from_millis(500);
        while Instant::now() < deadline {
            match timeout(patience, self.ask("srvr")).await {
                Ok(Ok(answer)) if answer.contains("Mode:") => return Ok(()),
                Ok(_) => sleep(Duration::from_millis(30)).await,
                Err(_) => patience *= 2,
            }
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(20).collect();
        bail!("ZooKeeper did not come up within 60 s (is Java installed?): {}", tail.join(" <- "))
    }

    /// Forgets everything; it must not run.
    pub(super) fn wipe(&self) -> anyhow::Result<()> {
        let data = self.folder.path().join("data");
        fs::remove_dir_all(&data)?;
        Ok(fs::create_dir(&data)?)
    }

    /// Puts one of the four-letter questions. (`srvr` tells whether it serves; `ruok` says yes too early.)
    pub(super) async fn ask(&self, question: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address()).await?;
        stream.write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}
