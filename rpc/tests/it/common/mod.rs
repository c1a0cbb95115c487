//! A service to call, and configurations as people write them.

use rpc::{Config, prelude::*};

/// Says things back.
#[rpc_service(package = "t.v1")]
pub(crate) trait Echo {
    /// Says it back, and over which wire it came.
    #[rpc(idempotent)]
    async fn say(&self, text: String) -> Result<String, Status>;

    /// The same, but not to be made twice.
    async fn write(&self, text: String) -> Result<String, Status>;
}

/// Says back at once.
#[derive(Clone, Debug)]
pub(crate) struct Mirror;

impl Echo for Mirror {
    async fn say(&self, text: String) -> Result<String, Status> {
        let context = Context::current();
        Ok(format!("{text} over {}", context.peer().map_or("nothing", |peer| peer.transport)))
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.say(text).await
    }
}

/// Reads a file with this text.
pub(crate) fn config(toml: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rpc.toml");
    std::fs::write(&path, toml).unwrap();
    Config::read(Some(&path), []).unwrap()
}
