//! The ZooKeeper registry: how a fleet finds its servers.
//!
//! Every server has one node per service it offers, `<base>/<service>/<instance id>`, that lives as long as its
//! session. What stands in it is the JSON of Curator's x-discovery, so that Spring Cloud, Armeria and Curator programs
//! find our servers and we find theirs.
//!
//! ```no_run
//! use rpc_core::registry::Registry;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = rpc_zookeeper::ZooKeeper::open("zookeeper://zk1:2181,zk2:2181/rpc?session_timeout=15s")?;
//! let mut orders = registry.watch(&"baedal.orders.v1.Orders".parse()?);
//! for instance in &orders.known().await.instances {
//!     println!("{} at {:?}", instance.id, instance.endpoints);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it promises, also while ZooKeeper is away, restarts, loses its data, or ends sessions:
//! - A registration has one goal, "my nodes are there, owned by my session", and pursues it until it is closed. A
//!   connection that breaks and comes back within the session timeout changes nothing for anybody.
//! - A program that hangs, none of whose tasks has run for 5 s, is off the list until it goes on. One that is only busy
//!   stays: its session lives on a thread of its own.
//! - A list never empties because ZooKeeper cannot be reached; it is marked as stale.
//! - One bad record is skipped and counted, and harms nobody.
//! - No node is deleted that holds not our id and nonce; and none of ours appears after a close has succeeded.
//!
//! What it does not do yet: TLS and authentication towards ZooKeeper, and access control lists on our nodes. Whoever
//! reaches ZooKeeper may therefore read, change and delete them (we put them back within about a second), and lists on
//! the nodes above do not prevent it, since ZooKeeper's are not inherited: that of a service's node says only who may
//! add and remove records. So let nobody but the fleet reach ZooKeeper's port, and where calls matter use TLS with
//! `server_name`: then a false record can keep calls from arriving, and cannot have them arrive with somebody else.
//! It keeps no list on disk for a start without ZooKeeper; `ARCHITECTURE.md` says why, of both.
//!
//! The modules in the order of what happens:

mod location;
mod policy;
mod runtime;
mod session;

mod record;
mod registration;

mod discovery;
mod watcher;

mod backoff;
mod zookeeper;

pub use zookeeper::ZooKeeper;

#[cfg(test)]
mod testing {
    //! The server that the tests of this crate's inner parts share.

    use rpc_testkit::ZooKeeperServer;
    use std::time::Duration;
    use tokio::sync::OnceCell;
    use zookeeper_client::Client;

    static SERVER: OnceCell<ZooKeeperServer> = OnceCell::const_new();

    pub(crate) async fn server() -> &'static ZooKeeperServer {
        SERVER.get_or_init(async || ZooKeeperServer::start().await.expect("a ZooKeeper")).await
    }

    pub(crate) async fn client() -> Client {
        let connector = Client::connector().with_session_timeout(Duration::from_secs(5));
        connector.connect(&server().await.connect_string()).await.expect("a client")
    }
}
