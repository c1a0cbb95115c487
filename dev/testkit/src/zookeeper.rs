//! A ZooKeeper of one's own.

use crate::ports::ReservedPort;
use anyhow::{Context as _, bail, ensure};
use std::{
    fs,
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

/// A private, standalone ZooKeeper: Debian's jars, a port and a data directory of its own.
///
/// Sessions last between 1 and 10 seconds, whatever is asked for. Dropping it kills the server, and so does the end of
/// the test's process, however it comes.
#[derive(Debug)]
pub struct ZooKeeperServer {
    port: ReservedPort,
    directory: TempDir,
    process: Option<Child>,
}

impl ZooKeeperServer {
    const JARS: [&str; 2] = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"];

    /// A new one, ready to serve.
    ///
    /// # Errors
    /// When this machine has no Java or no ZooKeeper, or the server does not come up within 60 s (its log is in the
    /// error).
    pub async fn start() -> anyhow::Result<Self> {
        Self::with_ticks("tickTime=500").await
    }

    /// One that ends no session because of its time: for what must not depend on how quickly a server comes up.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_patient() -> anyhow::Result<Self> {
        // Sessions end at the next multiple of a tick only, here eleven days.
        Self::with_ticks("tickTime=1000000000\nminSessionTimeout=1000\nmaxSessionTimeout=10000").await
    }

    async fn with_ticks(ticks: &str) -> anyhow::Result<Self> {
        for jar in Self::JARS {
            ensure!(
                Path::new(jar).exists(),
                "{jar} is missing: run `cargo xtask test`, which installs Debian's packages zookeeper and \
                 default-jdk-headless"
            );
        }
        let port = ReservedPort::reserve()?;
        let directory = TempDir::with_prefix("zookeeper-")?;
        let data = directory.path().join("data");
        let config = format!(
            "{ticks}\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
             admin.enableServer=false\n4lw.commands.whitelist=*\nextendedTypesEnabled=true\n",
            data.display(),
            port.number(),
        );
        fs::create_dir(&data)?;
        fs::write(directory.path().join("zoo.cfg"), config)?;
        let mut server = Self { port, directory, process: None };
        server.restart().await?;
        Ok(server)
    }

    /// `127.0.0.1:PORT`; the same for the life of this value.
    pub fn connect_string(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends it as `kill -9` does. It stays down until [`restart`](Self::restart).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            let _ = process.wait();
        }
    }

    /// Starts it again (killing it first when it runs) with the data it had.
    ///
    /// # Errors
    /// When it does not come up within 60 s.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.directory.path().join("log"))?;
        // The shell kills the server when its standard input ends, that is when `kill` closes it or when the test's
        // process is gone, be it by SIGKILL. (A parent-death signal would fire when a mere thread of the test ends.)
        let process = Command::new("sh")
            .args(["-c", r#""$@" </dev/null & server=$!; cat >/dev/null; kill -9 $server; wait $server"#, "sh", "java"])
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.jmx.log4j.disable=true"])
            .args(["-Dznode.container.checkIntervalMs=1000", "-cp", &Self::JARS.join(":")])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.directory.path().join("zoo.cfg"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start `sh`")?;
        self.process = Some(process);
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
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(20).collect();
        bail!("ZooKeeper did not come up within 60 s (is Java installed?): {}", tail.join(" <- "))
    }

    /// Starts it again with no data at all: no nodes, no sessions, transaction ids from the beginning.
    ///
    /// # Errors
    /// When it does not come up within 60 s.
    pub async fn restart_wiped(&mut self) -> anyhow::Result<()> {
        self.kill();
        let data = self.directory.path().join("data");
        fs::remove_dir_all(&data)?;
        fs::create_dir(&data)?;
        self.restart().await
    }

    /// Ends a session at the server, as if its time had run out: its ephemeral nodes go, and its client learns of it
    /// when it next speaks.
    ///
    /// # Errors
    /// When the server does not know the session, or knows it still after 5 s.
    pub async fn expire_session(&self, id: i64) -> anyhow::Result<()> {
        ensure!(self.sessions().await?.contains(&id), "ZooKeeper knows no session {id:#x}");
        let expire = async {
            while self.sessions().await?.contains(&id) {
                // Its owner may come between; and the server may hang up before it has answered.
                let _ = self.close_session(id).await;
            }
            Ok(())
        };
        timeout(Duration::from_secs(5), expire).await.context("ZooKeeper did not end the session within 5 s")?
    }

    /// Takes a session over (its password is a function of its id, `ZooKeeperServer.generatePasswd`) and closes it in
    /// the same breath.
    async fn close_session(&self, id: i64) -> std::io::Result<()> {
        let mut request = Vec::new();
        request.extend(44_i32.to_be_bytes()); // the length of what follows
        request.extend(0_i32.to_be_bytes()); // protocol version
        request.extend(0_i64.to_be_bytes()); // the last transaction seen
        request.extend(5000_i32.to_be_bytes()); // session timeout
        request.extend(id.to_be_bytes());
        request.extend(16_i32.to_be_bytes());
        request.extend(session_password(id));
        request.extend([0, 0, 0, 8, 0, 0, 0, 1]); // a request of eight bytes, the first of this connection:
        request.extend((-11_i32).to_be_bytes()); // closeSession
        let mut stream = TcpStream::connect(self.connect_string()).await?;
        stream.write_all(&request).await?;
        // The server closes the connection after the session.
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    }

    /// The sessions it knows, be their clients connected or not.
    ///
    /// # Errors
    /// When it does not answer within 5 s.
    pub async fn sessions(&self) -> anyhow::Result<Vec<i64>> {
        let dump = timeout(Duration::from_secs(5), self.ask("dump")).await.context("ZooKeeper does not answer")??;
        let tracked = dump.lines().take_while(|line| !line.starts_with("ephemeral"));
        let ids = tracked.filter_map(|line| line.trim().strip_prefix("0x"));
        // Printed as the bits of a Java long.
        Ok(ids.filter_map(|id| u64::from_str_radix(id, 16).ok()).map(u64::cast_signed).collect())
    }

    /// The paths of the ephemeral nodes it has at this moment, whatever its clients have heard of them.
    ///
    /// # Errors
    /// When it does not answer within 5 s.
    pub async fn ephemerals(&self) -> anyhow::Result<Vec<String>> {
        let dump = timeout(Duration::from_secs(5), self.ask("dump")).await.context("ZooKeeper does not answer")??;
        Ok(dump.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned).collect())
    }

    /// Puts one of its four-letter questions. (`srvr` tells whether it serves; `ruok` says yes too early.)
    async fn ask(&self, question: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.connect_string()).await?;
        stream.write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Drop for ZooKeeperServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `java.util.Random` seeded as ZooKeeper does it, and the first 16 bytes it gives.
fn session_password(id: i64) -> [u8; 16] {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut seed = ((id as u64 ^ 0xB341_5C00) ^ MULTIPLIER) & MASK;
    let mut password = [0; 16];
    for word in password.chunks_exact_mut(4) {
        seed = seed.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        word.copy_from_slice(&((seed >> 16) as u32).to_le_bytes());
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_comes_up_goes_down_and_comes_back() {
        let mut server = ZooKeeperServer::start().await.unwrap();
        assert!(server.ask("srvr").await.unwrap().contains("Mode: standalone"));
        server.kill();
        server.ask("srvr").await.unwrap_err();
        server.restart_wiped().await.unwrap();
        assert!(server.sessions().await.unwrap().is_empty());
        let unknown = server.expire_session(0x1234).await.unwrap_err();
        assert!(unknown.to_string().contains("no session"), "{unknown}");
    }
}
