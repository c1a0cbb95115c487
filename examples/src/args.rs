//! What the command lines of the programs have in common.

use clap::{
    ValueEnum,
    builder::TypedValueParser,
    error::{Error, ErrorKind},
};
use rpc::{
    Config, Transports,
    registry::{Target, TargetError},
};
use std::{ffi::OsStr, io::IsTerminal, time::Duration};

/// Where servers are found and how they are spoken to: for clients and servers alike.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// Where servers register and clients look: zookeeper://H1:2181,H2:2181/BASE or file:///DIR; for clients of servers
    /// that register nowhere static://H1:PORT,H2:PORT?assume=grpc or dns://HOST:PORT?assume=grpc; memory:// and
    /// local:// are for one process alone [default: what rpc.toml or RPC_REGISTRY says, else a folder of this user on
    /// this machine]
    #[arg(long, value_name = "URL", value_parser = Url, global = true)]
    pub registry: Option<Target>,

    /// The wire: `auto` is the fastest that both sides speak [default: what rpc.toml says, or RPC_CLIENT_TRANSPORT for
    /// clients and RPC_SERVER_PROTOCOLS for servers, else auto]
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

/// Reads where servers are found from a command line. What clap itself says of a value that it does not take repeats it
/// as it was typed, with a password that stands in it.
#[derive(Clone)]
pub struct Url;

impl TypedValueParser for Url {
    type Value = Target;

    fn parse_ref(&self, command: &clap::Command, _: Option<&clap::Arg>, value: &OsStr) -> Result<Target, Error> {
        value.to_string_lossy().parse().map_err(|wrong: TargetError| {
            let text = format!("--registry: {wrong}\n\nFor more information, try '--help'.\n");
            Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// Reads `100ms`, `2s` or `1m` from a command line.
///
/// # Errors
/// With the form that was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 100ms, 2s or 1m"))
}

/// Writes the log to standard error, in colours at a terminal, as `default` says if `RUST_LOG` does not.
///
/// What the libraries underneath warn of (a broken connection, once per call on it) is said again, once, by ours.
pub fn log(default: &str) {
    let default = format!("{default},tarpc=error,zookeeper_client=error");
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // A file keeps the codes of colours, and whoever reads it sees them.
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
