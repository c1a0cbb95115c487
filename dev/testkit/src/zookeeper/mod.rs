//! A ZooKeeper of one's own.

mod ensemble;
mod node;

pub use ensemble::ZooKeeperEnsemble;

use anyhow::{Context as _, ensure};
use node::Node;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A private, standalone ZooKeeper: Debian's jars, a port and a data directory of its own.
///
/// Sessions last between 1 and 10 seconds, whatever is asked for. Dropping it kills the server, and so does the end of
/// the test's process, however it comes; its folder goes with it.
#[derive(Debug)]
pub struct ZooKeeperServer {
    node: Node,
}

impl ZooKeeperServer {
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
        let mut server = Self { node: Node::new(ticks)? };
        server.restart().await?;
        Ok(server)
    }

    /// `127.0.0.1:PORT`; the same for the life of this value.
    pub fn connect_string(&self) -> String {
        self.node.address()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.node.port()
    }

    /// Ends it as `kill -9` does. It stays down until [`restart`](Self::restart).
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Starts it again (killing it first when it runs) with the data it had.
    ///
    /// # Errors
    /// When it does not come up within 60 s.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.node.launch()?;
        self.node.serving().await
    }

    /// Starts it again with no data at all: no nodes, no sessions, transaction ids from the beginning.
    ///
    /// # Errors
    /// When it does not come up within 60 s.
    pub async fn restart_wiped(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.node.wipe()?;
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
        let dump =
            timeout(Duration::from_secs(5), self.node.ask("dump")).await.context("ZooKeeper does not answer")??;
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
        let dump =
            timeout(Duration::from_secs(5), self.node.ask("dump")).await.context("ZooKeeper does not answer")??;
        Ok(dump.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned).collect())
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
        assert!(server.node.ask("srvr").await.unwrap().contains("Mode: standalone"));
        server.kill();
        server.node.ask("srvr").await.unwrap_err();
        server.restart_wiped().await.unwrap();
        assert!(server.sessions().await.unwrap().is_empty());
        let unknown = server.expire_session(0x1234).await.unwrap_err();
        assert!(unknown.to_string().contains("no session"), "{unknown}");
    }
}
