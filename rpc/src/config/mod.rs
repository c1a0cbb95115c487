//! What can be said without a compiler: `rpc.toml`, then the environment.

mod keys;
mod load;
mod value;

use rpc_core::{Address, Transports, registry::Target};
use std::{collections::BTreeMap, time::Duration};

/// What a program was told about where it listens, whom it calls and how.
///
/// Read by [`load`](Self::load); a command line changes the fields afterwards, and an option at a call overrules all of
/// it. Whatever is `None` or empty was not said, and the built-in default holds.
///
/// ```toml
/// registry = "zookeeper://zk1:2181,zk2:2181/rpc"   # RPC_REGISTRY
///
/// [server]
/// listen = "0.0.0.0:7000"          # RPC_SERVER_LISTEN
/// advertise = "10.0.0.7:7000"      # RPC_SERVER_ADVERTISE
/// protocols = ["grpc", "tarpc"]    # RPC_SERVER_PROTOCOLS=grpc,tarpc
///
/// [client]
/// transport = "auto"               # RPC_CLIENT_TRANSPORT: auto, grpc or tarpc
/// timeout = "2s"                   # RPC_CLIENT_TIMEOUT
/// retries = "on"                   # RPC_CLIENT_RETRIES: on or off
///
/// [client.Orders]                  # one service, by its full or its short name
/// target = "static://10.0.0.1:7000,10.0.0.2:7000"
/// transport = "grpc"
/// timeout = "300ms"
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Where servers register and clients look. The embedded `file` registry of this host and user by default.
    pub registry: Option<Target>,
    /// What concerns a server.
    pub server: ServerConfig,
    /// What concerns clients.
    pub client: ClientConfig,
}

/// What a server was told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where it listens: `127.0.0.1:0` by default on a local registry; on a remote one it has to be said.
    pub listen: Option<Address>,
    /// Where others reach it, if that is not where it listens.
    pub advertise: Option<Address>,
    /// The protocols it speaks, by name: all that are compiled in by default.
    pub protocols: Option<Vec<&'static str>>,
}

/// What clients were told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The wires that calls may take.
    pub transport: Option<Transports>,
    /// How long a unary call may take when neither the call nor its method says.
    pub timeout: Option<Duration>,
    /// Whether failed calls may be sent again.
    pub retries: Option<Retries>,
    /// What was said about single services, by full or short name.
    pub services: BTreeMap<String, ServiceConfig>,
}

/// What clients of one service were told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// Where its servers are found, if not in the registry of everybody else.
    pub target: Option<Target>,
    /// The wires that its calls may take.
    pub transport: Option<Transports>,
    /// How long a unary call may take when the call does not say.
    pub timeout: Option<Duration>,
}

/// Whether failed calls may be sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// By class of failure, within the budget.
    #[default]
    On,
    /// Never. For tests, and for callers that have a retry of their own.
    Off,
}

impl Config {
    /// What was said about clients of a service: by its full name first, then by its short one.
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        let short = name.rsplit('.').next().unwrap_or(name);
        let services = &self.client.services;
        services.get(name).or_else(|| services.get(short))
    }
}
