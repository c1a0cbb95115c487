//! One annotation turns a Rust trait into a service.
//!
//! ```no_run
//! # async fn example(service: impl rpc::NamedService) -> rpc::Result<()> {
//! rpc::Server::from_config()?     // rpc.toml, then RPC_* variables; both may be absent
//!     .service(service)           // what `..Server::new(..)` gives
//!     .run()                      // listens, registers, serves every protocol on one port, drains on SIGTERM
//!     .await
//! # }
//! ```
//!
//! This crate is what people depend on: everything that user code names is here, most of it in [`prelude`]. An
//! interface crate, which only holds a trait and its messages, depends on it without its default features; servers and
//! clients choose `grpc`, `tarpc` and `zookeeper`, and `tls` where connections are to be encrypted.

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
pub use config::{ClientConfig, Config, MethodConfig, Origin, Retries, ServerConfig, ServiceConfig, Setting, Tls};
pub use discover::Discover;
pub use error::{Error, Result};
pub use health::{Health, Readiness};
pub use rpc_core::server::{Admission, AdmissionError};
pub use rpc_core::{
    Address, BoxFuture, BoxService, CallId, Code, Context, Delivery, Detail, Io, Layer, Metadata, MetadataError,
    Method, Observer, Observers, Payload, Peer, Pushback, Request, Response, RpcError, Service, ServiceDescriptor,
    Status, Streaming, Task, Tasks, TraceContext, Trailers, Transports, Value,
    client::{Channel, Client, Hedge, Percentile},
    framed, observer, registry,
    server::NamedService,
    service_fn, spawn, spawn_detached, tower, transport,
};
pub use rpc_core::{Priority, PriorityError};
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
