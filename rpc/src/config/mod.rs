//! What can be said without a compiler: `rpc.toml`, then the environment.

mod keys;
mod load;
mod origin;
mod read;
mod rules;
mod value;

pub(crate) use keys::nearest;
pub use origin::{Setting, SettingOrigin};
pub(crate) use value::{label, weight};

use origin::Said;
use rpc_core::{Address, Transports, client::Hedge, registry::Target, server::Admission};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// What a program was told about where it listens, whom it calls and how.
///
/// Read by [`load`](Self::load); a command line changes the fields afterwards, and an option at a call overrules all of
/// it. Whatever is `None` or empty was not said, and the built-in default holds. [`settings`](Self::settings) tells
/// where each value comes from.
///
/// ```toml
/// registry = "zookeeper://zk1:2181,zk2:2181/rpc"   # RPC_REGISTRY
/// tls = "off"                      # RPC_TLS: plain text is meant, also between machines
/// max_message = "4MiB"             # RPC_MAX_MESSAGE: the largest message that is sent or taken, encoded
/// rules = "rules.toml"             # RPC_RULES: a file with [client..] sections that hold while it is there; see Rules
///
/// [server]
/// listen = "0.0.0.0:7000"          # RPC_SERVER_LISTEN
/// advertise = "10.0.0.7:7000"      # RPC_SERVER_ADVERTISE
/// protocols = ["grpc", "tarpc"]    # RPC_SERVER_PROTOCOLS=grpc,tarpc
/// admission = "adaptive"           # RPC_SERVER_ADMISSION: adaptive, off, or how many calls at once
/// weight = 100                     # RPC_SERVER_WEIGHT: its share beside other servers; 0 is none
/// zone = "icn-a"                   # RPC_SERVER_ZONE
/// version = "1.2.3"                # RPC_SERVER_VERSION
///
/// [client]
/// transport = "auto"               # RPC_CLIENT_TRANSPORT: auto, grpc or tarpc
/// timeout = "2s"                   # RPC_CLIENT_TIMEOUT
/// retries = "on"                   # RPC_CLIENT_RETRIES: on or off
/// hedge = "off"                    # RPC_CLIENT_HEDGE: off, p95 or 50ms
///
/// [client.Orders]                  # one service, by its full name, or by its short one where no other has it
/// target = "static://10.0.0.1:7000,10.0.0.2:7000?assume=grpc"
/// transport = "grpc"
/// timeout = "1s"
/// retries = "off"
/// hedge = "p95"
///
/// [client.Orders.methods.Find]     # one method, by its name on the wire
/// timeout = "300ms"
/// hedge = "50ms"
/// ```
///
/// With more to say of the registry, it is a table. What else there is of URLs, [`Target`] says:
///
/// ```toml
/// [registry]
/// # Behind `?`, ZooKeeper takes session_timeout=15s (500ms to 10m: how long the record of a server stays that died), and
/// # assume=grpc for servers of others.
/// url = "zookeeper://zk1:2181,zk2:2181/rpc"        # RPC_REGISTRY
/// required = true                  # RPC_REGISTRY_REQUIRED: an error rather than the embedded registry without a URL
/// ```
///
/// With TLS there are certificates to name. Paths in the file are seen from its folder:
///
/// ```toml
/// tls = "on"                       # RPC_TLS
///
/// [server]
/// certificate = "server.pem"       # RPC_SERVER_CERTIFICATE
/// key = "server.key"               # RPC_SERVER_KEY
/// client_ca = "ca.pem"             # RPC_SERVER_CLIENT_CA: clients have to show certificates, too
///
/// [client]
/// ca = "ca.pem"                    # RPC_CLIENT_CA
/// certificate = "client.pem"       # RPC_CLIENT_CERTIFICATE: for servers that ask
/// key = "client.key"               # RPC_CLIENT_KEY
///
/// [client.Orders]
/// server_name = "orders.internal"  # RPC_CLIENT_SERVER_NAME for all: the name in certificates, not the host of addresses
/// ```
///
/// # What holds when nothing is said
///
/// In the second column, who says something first counts; `NAME` is a service, `METHOD` its method.
///
/// | of | says | or else |
/// | --- | --- | --- |
/// | a unary call, all its attempts together | [`with_timeout`], `timeout` of `[client.NAME.methods.METHOD]`, of `[client.NAME]`, of `[client]`, `#[rpc(timeout)]` | 5 s |
/// | a stream until it begins: until the response does or, where the client streams, a server is found | [`with_timeout`], `timeout` of `[client.NAME]`, of `[client]` | 5 s |
/// | all of a stream | `timeout` of `[client.NAME.methods.METHOD]`, `#[rpc(timeout)]` | no limit |
/// | a call in a handler | the deadline of the call that is being handled, whatever else is said | |
/// | retries | `retries` of `[client.NAME]`, of `[client]` | on: at most 3 attempts at a call; in all 20 retries for 100 calls of the last 10 s, and 10 a second beside |
/// | hedges | [`with_hedge`], `hedge` of `[client.NAME.methods.METHOD]`, of `[client.NAME]`, of `[client]` | off; from the budget of the retries |
/// | the wire | [`with_transport`], `transport` of `[client.NAME]`, of `[client]` | the fastest that both sides speak |
/// | the largest message | `max_message`, [`Server::limits`] | 4 MiB |
/// | the calls that a server lets in | `server.admission`, [`Server::admission`] | as many as it gets done |
/// | the first list of servers, when a client is made | | 3 s |
///
/// An option of a call goes before everything that is written, which goes before what stands in code. [`Rules`] go
/// before the file, key by key.
///
/// [`with_timeout`]: crate::Client::with_timeout
/// [`with_hedge`]: crate::Client::with_hedge
/// [`with_transport`]: crate::Client::with_transport
/// [`Server::limits`]: crate::Server::limits
/// [`Server::admission`]: crate::Server::admission
/// [`Rules`]: crate::Rules
///
/// # TLS, and names with dots
///
/// `tls` stands at the top for all, in `[server]`, in `[client]`, or at one service. `[client.a.methods.B]` is about
/// the method `B` of the service `a`; a service that is really called `a.methods.B` is written in quotes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Where servers register and clients look. The embedded `file` registry of this host and user by default.
    pub registry: Option<Target>,
    /// Whether a registry has to be named: it is an error then to fall back on the embedded one, where servers would
    /// come up, look healthy, and be found by nobody.
    pub registry_required: bool,
    /// Whether connections are encrypted, for servers and clients that do not say themselves.
    pub tls: Option<Tls>,
    /// The file with rules for running clients, looked at every second; see [`Rules`](crate::Rules). A path that is not
    /// whole begins where the file is that says it. There need not be a file yet.
    pub rules: Option<PathBuf>,
    /// Bytes of the largest message that servers and clients send or take, encoded: 4 MiB by default, as in gRPC. The
    /// smaller limit of the two sides holds.
    pub max_message: Option<usize>,
    /// What concerns a server.
    pub server: ServerConfig,
    /// What concerns clients.
    pub client: ClientConfig,
    /// What was read, and where.
    said: Said,
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
    /// How many calls it lets in at once: as many as it gets done by default.
    pub admission: Option<Admission>,
    /// Whether its connections are encrypted. With TLS it needs a certificate and a key.
    pub tls: Option<Tls>,
    /// The PEM file of the certificate that it shows, followed by those that lead to its CA.
    pub certificate: Option<PathBuf>,
    /// The PEM file of the certificate's private key.
    pub key: Option<PathBuf>,
    /// The PEM file of the CAs of its clients. With it a client has to show a certificate of one of them (mutual TLS),
    /// and handlers find the name in it in [`Peer::identity`](crate::Peer).
    pub client_ca: Option<PathBuf>,
    /// Its share of the calls relative to other servers, from 0 to [`Instance::MAX_WEIGHT`]: 100 is ordinary, 0 is
    /// none.
    ///
    /// [`Instance::MAX_WEIGHT`]: crate::registry::Instance::MAX_WEIGHT
    pub weight: Option<u32>,
    /// The failure domain it stands in, for those who read its record; 1 to 128 bytes.
    pub zone: Option<String>,
    /// The version of the program, for those who read its record; 1 to 128 bytes.
    pub version: Option<String>,
}

/// What clients were told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The wires that calls may take.
    pub transport: Option<Transports>,
    /// How long a unary call of any service may take, or a stream until it begins, when the call does not say and
    /// nothing is said of its service or, of a unary call, its method here: 5 s by default. Overrules `#[rpc(timeout)]`
    /// of unary calls, as all configuration does. See [the table](Config#what-holds-when-nothing-is-said).
    pub timeout: Option<Duration>,
    /// Whether failed calls may be sent again.
    pub retries: Option<Retries>,
    /// Which calls are made at a second server as well when the answer is late: of those methods that may be.
    pub hedge: Option<Hedge>,
    /// Whether connections are encrypted. With TLS they need to know whom to trust.
    pub tls: Option<Tls>,
    /// The PEM file of the CAs whose certificates servers show. No others are trusted, not even those of the system.
    pub ca: Option<PathBuf>,
    /// The PEM file of the certificate that clients show to servers which ask for one.
    pub certificate: Option<PathBuf>,
    /// The PEM file of the certificate's private key.
    pub key: Option<PathBuf>,
    /// The name that the certificates of all servers have to bear, instead of the host of each one's address (of
    /// `dns://NAME`, the name).
    pub server_name: Option<String>,
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
    /// How long a unary call may take, or a stream until it begins, when the call does not say and nothing is said of
    /// the method of a unary call here. See [the table](Config#what-holds-when-nothing-is-said).
    pub timeout: Option<Duration>,
    /// Whether failed calls may be sent again.
    pub retries: Option<Retries>,
    /// Which calls are made at a second server as well when the answer is late: of those methods that may be.
    pub hedge: Option<Hedge>,
    /// Whether connections are encrypted.
    pub tls: Option<Tls>,
    /// The name that the certificates of its servers have to bear, instead of the host of each one's address. For
    /// servers that a registry lists it should be said: whoever can write there says where calls go, and an address is
    /// all that the certificate would have to fit.
    pub server_name: Option<String>,
    /// What was said about single methods, by their names on the wire, as in `Find`. A client is not made when the
    /// service has no such method.
    pub methods: BTreeMap<String, MethodConfig>,
}

/// What clients were told of one method.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MethodConfig {
    /// How long a call may take when the call does not say; of a stream, all of it.
    pub timeout: Option<Duration>,
    /// When its calls are made at a second server as well. A client is not made when they must not be, since the method
    /// is not idempotent or has streams.
    pub hedge: Option<Hedge>,
}

/// Whether failed calls may be sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// Where it is safe, by class of failure: at most 3 attempts at a call, and within a budget for all calls of a
    /// client of 20 retries for 100 calls of the last 10 s, and 10 a second beside. See
    /// [the table](Config#what-holds-when-nothing-is-said).
    #[default]
    On,
    /// Never. For tests, and for callers that have a retry of their own.
    Off,
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain text. Where nothing is said it is plain text as well, with a warning as soon as other machines are
    /// concerned.
    Off,
    /// TLS 1.2 or 1.3, and never plain text instead. An error in a program that is built without the feature `tls`.
    On,
}

impl Config {
    /// What was said about clients of a service: by its full name first, then by its short one.
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        self.section(name).map(|(_, own)| own)
    }

    /// The same, with the name of the section that says it.
    pub(crate) fn section(&self, service: &str) -> Option<(&str, &ServiceConfig)> {
        let services = &self.client.services;
        let found = services.get_key_value(service).or_else(|| services.get_key_value(short_name(service)));
        found.map(|(name, own)| (name.as_str(), own))
    }

    /// The values of which something was said here.
    pub(crate) fn said(&self) -> Vec<Setting> {
        let said = origin::said(self);
        self.settings().into_iter().filter(|setting| said.contains(&setting.key)).collect()
    }

    /// What was said about every value, and where; see [`Setting`]. For people: `order-server config` prints it.
    pub fn settings(&self) -> Vec<Setting> {
        origin::settings(self)
    }
}

/// `Orders`, of `baedal.orders.v1.Orders`.
pub(crate) fn short_name(service: &str) -> &str {
    service.rsplit('.').next().unwrap_or(service)
}
