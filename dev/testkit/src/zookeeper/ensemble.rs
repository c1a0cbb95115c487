//! Three ZooKeepers that are one.

use super::node::Node;
use crate::ports::ReservedPort;
use anyhow::{Context as _, bail};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// An ensemble of three, on this machine: it serves as long as two of them run.
///
/// Sessions last between 1 and 10 seconds. It goes with this value, or with the process, as
/// [`ZooKeeperServer`](super::ZooKeeperServer) does.
#[derive(Debug)]
pub struct ZooKeeperEnsemble {
    nodes: Vec<Node>,
    // Those that the servers talk to each other on.
    _ports: Vec<ReservedPort>,
}

impl ZooKeeperEnsemble {
    /// How many there are.
    pub const SIZE: usize = 3;

    /// A new one, all three of which serve.
    ///
    /// # Errors
    /// When this machine has no Java or no ZooKeeper, or one of them does not come up within 60 s.
    pub async fn start() -> anyhow::Result<Self> {
        let ports = (0..2 * Self::SIZE).map(|_| ReservedPort::reserve()).collect::<anyhow::Result<Vec<_>>>()?;
        let mut settings = "tickTime=500\ninitLimit=40\nsyncLimit=10\n".to_owned();
        for (number, ports) in ports.chunks(2).enumerate() {
            let line = format!("server.{number}=127.0.0.1:{}:{}\n", ports[0].number(), ports[1].number());
            settings.push_str(&line);
        }
        let nodes = (0..Self::SIZE).map(|_| Node::new(&settings)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut ensemble = Self { nodes, _ports: ports };
        for (number, node) in ensemble.nodes.iter_mut().enumerate() {
            node.be_number(number)?;
            node.launch()?;
        }
        for node in &ensemble.nodes {
            node.serving().await?;
        }
        Ok(ensemble)
    }

    /// `127.0.0.1:PORT` of one of them, numbered from 0.
    pub fn address(&self, number: usize) -> String {
        self.nodes[number].address()
    }

    /// The addresses of all, with commas between them.
    pub fn connect_string(&self) -> String {
        self.nodes.iter().map(Node::address).collect::<Vec<_>>().join(",")
    }

    /// Which of them leads.
    ///
    /// # Errors
    /// When none does within 60 s.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            for (number, node) in self.nodes.iter().enumerate() {
                if let Ok(Ok(answer)) = timeout(Duration::from_secs(1), node.ask("srvr")).await
                    && answer.contains("Mode: leader")
                {
                    return Ok(number);
                }
            }
            sleep(Duration::from_millis(30)).await;
        }
        bail!("no ZooKeeper leads after 60 s")
    }

    /// Ends one of them as `kill -9` does. It stays down until [`restart`](Self::restart).
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].kill();
    }

    /// Starts these again, which must be down, with the data they had.
    ///
    /// # Errors
    /// When they do not serve within 60 s.
    pub async fn restart(&mut self, numbers: &[usize]) -> anyhow::Result<()> {
        for number in numbers {
            self.nodes[*number].launch()?;
        }
        for number in numbers {
            self.nodes[*number].serving().await?;
        }
        Ok(())
    }

    /// Lets one of them stand still, with its connections, until [`thaw`](Self::thaw).
    ///
    /// # Errors
    /// When it is down.
    pub fn freeze(&mut self, number: usize) -> anyhow::Result<()> {
        self.nodes[number].signal("STOP").context("cannot freeze it")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is down.
    pub fn thaw(&mut self, number: usize) -> anyhow::Result<()> {
        self.nodes[number].signal("CONT").context("cannot thaw it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_leads_when_the_leader_is_gone() {
        let mut ensemble = ZooKeeperEnsemble::start().await.unwrap();
        let first = ensemble.leader().await.unwrap();
        ensemble.kill(first);
        assert_ne!(ensemble.leader().await.unwrap(), first);
        ensemble.restart(&[first]).await.unwrap();
        assert_ne!(ensemble.leader().await.unwrap(), first);
    }
}
