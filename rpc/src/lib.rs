//! One annotation turns a Rust trait into a service.
//!
//! ```
//! use rpc::prelude::*;
//!
//! /// Greets.
//! #[rpc_service]
//! pub trait Greeter {
//!     /// Greets one person.
//!     async fn greet(&self, name: String) -> Result<String, Status>;
//! }
//!
//! struct Host;
//!
//! impl Greeter for Host {
//!     async fn greet(&self, name: String) -> Result<String, Status> {
//!         Ok(format!("hello, {name}"))
//!     }
//! }
//!
//! // One program serves. It listens, registers, speaks every protocol on one port, and drains on SIGTERM.
//! async fn serve() -> rpc::Result<()> {
//!     let server = rpc::Server::from_config()?; // rpc.toml, then RPC_* variables; both may be absent
//!     server.service(GreeterServer::new(Host)).run().await
//! }
//!
//! // Another one calls. It finds the server by the name of the service.
//! async fn call() -> rpc::Result<String> {
//!     let greeter = GreeterClient::discover().await?;
//!     Ok(greeter.greet("Mina".to_owned()).await?)
//! }
//!
//! // In the same process, without a wire: what tests need.
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let greeter = GreeterClient::local(Host);
//! assert_eq!(greeter.greet("Mina".to_owned()).await.unwrap(), "hello, Mina");
//! # });
//! # let (_, _) = (serve(), call());
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! | --- | --- |
//! | traits and what may stand in them: streams, keys, timeouts, names on the wire | [`rpc_service`](macro@rpc_service) |
//! | arguments and replies | [`Message`](macro@Message) |
//! | errors of one's own; the failure of any call | [`RpcError`](macro@RpcError), [`Status`] |
//! | `rpc.toml`, the variables, what holds when nothing is said | [`Config`], [`Rules`] |
//! | what servers and clients of a program share; layers, observers, transports and registries of one's own | [`App`], [`AppBuilder`] |
//! | a server and its end | [`Server`], [`Running`], [`Health`] |
//! | options of calls: timeouts, metadata, urgency, the wire | [`Client`], [`Context`] |
//! | streams | [`Streaming`], [`Trailers`] |
//! | `.proto` texts, descriptors for reflection, fingerprints | [`schema`], [`assert_proto!`] |
//!
//! # Features
//!
//! This crate is what people depend on: everything that user code names is here, most of it in [`prelude`]. An
//! interface crate, which only holds a trait and its messages, depends on it without its default features; servers and
//! clients choose among them:
//!
//! | feature | brings | default |
//! | --- | --- | --- |
//! | `grpc` | the gRPC transport, and services made for tonic | yes |
//! | `tarpc` | the tarpc transport | yes |
//! | `zookeeper` | the registry on ZooKeeper | yes |
//! | `tls` | TLS below every transport; it wants a C compiler | no |

mod advertise;
mod app;
mod config;
mod container;
mod discover;
mod error;
mod health;
mod listening;
mod offer;
pub mod prelude;
mod registries;
mod rules;
mod running;
pub mod schema;
mod server;
mod signals;
mod tls;

pub mod __private;

pub use app::{App, AppBuilder};
pub use config::{
    ClientConfig, Config, MethodConfig, Retries, ServerConfig, ServiceConfig, Setting, SettingOrigin, Tls,
};
pub use discover::Discover;
pub use error::{Error, Result};
pub use health::{Health, Readiness};
pub use rpc_core::{
    Address, AddressError, AsyncIo, Batch, Body, Bounds, BoxFuture, BoxService, CallId, Cancel, Code, Context, Decode,
    Delivery, Detail, ErasedMessage, Head, Hints, Idempotency, IntoItem, Io, Kind, Layer, Metadata, MetadataError,
    Method, Observer, Observers, Origin, Payload, PayloadError, PayloadStream, Peer, Priority, PriorityError, Pushback,
    Request, Response, RpcError, Service, ServiceDescriptor, ServiceFn, Status, Streaming, Task, Tasks, TraceContext,
    Trailers, Transports, Value,
    client::{Channel, Client, Hedge, Percentile},
    framed, observer, registry,
    server::{Admission, AdmissionError, NamedService},
    service_fn, spawn, spawn_detached,
    tls::Security,
    tower, transport,
};
#[cfg(feature = "grpc")]
pub use rpc_grpc::Mounted;
pub use rules::Rules;
pub use running::Running;
pub use server::Server;
#[cfg(feature = "tls")]
pub use {
    rpc_tls::Pem,
    tls::{ClientTls, ServerTls},
};

#[doc = include_str!("message.md")]
pub use rpc_macros::Message;
#[doc = include_str!("rpc_error.md")]
pub use rpc_macros::RpcError;
#[doc = include_str!("rpc_service.md")]
pub use rpc_macros::rpc_service;
