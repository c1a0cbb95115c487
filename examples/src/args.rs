//! What the command lines of the programs have in common.

use clap::ValueEnum;
use rpc::{Config, Transports, registry::Target};
use std::time::Duration;

/// Where servers are found and how they are spoken to: for clients and servers alike.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// Where servers register and clients look: zookeeper://H1:2181,H2:2181/BASE or file:///DIR [default: what rpc.toml
    /// or RPC_REGISTRY says, else a folder of this user on this machine]
    #[arg(long, value_name = "URL", global = true)]
    pub registry: Option<Target>,

    /// The wire: `auto` is the fastest that both sides speak [default: what rpc.toml or RPC_... says, else auto]
    #[arg(long, value_enum, global = true)]
    pub transport: Option<Wire>,
}

/// A choice of wire.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// The fastest that both sides speak; a server speaks all.
    Auto,
    /// gRPC.
    Grpc,
    /// tarpc.
    Tarpc,
}

impl Wire {
    /// The one wire it names, if it names one.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Grpc => Some("grpc"),
            Self::Tarpc => Some("tarpc"),
        }
    }
}

impl From<Wire> for Transports {
    fn from(wire: Wire) -> Self {
        wire.name().map_or(Self::Auto, Self::Only)
    }
}

impl Common {
    /// Puts what the command line says over what the configuration says.
    pub fn apply(&self, config: &mut Config) {
        if let Some(registry) = &self.registry {
            config.registry = Some(registry.clone());
        }
        if let Some(wire) = self.transport {
            config.client.transport = Some(wire.into());
            config.server.protocols = wire.name().map(|name| vec![name]);
        }
    }
}

/// Reads `100ms`, `2s` or `1m` from a command line.
///
/// # Errors
/// With the form that was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 100ms, 2s or 1m"))
}

/// Writes the log to standard error, as `default` says if `RUST_LOG` does not.
///
/// What the libraries underneath warn of (a broken connection, once per call on it) is said again, once, by ours.
pub fn log(default: &str) {
    let default = format!("{default},tarpc=error,zookeeper_client=error");
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
