//! One annotation turns a Rust trait into a service.

mod error;
pub mod prelude;

pub mod __private;

pub use error::{Error, Result};
pub use rpc_core::{
    Address, BoxFuture, BoxService, CallId, Code, Context, Delivery, Detail, Layer, Metadata, MetadataError, Method,
    Observer, Payload, Request, Response, RpcError, Service, Status, Streaming, TraceContext, Transports,
    client::{Channel, Client},
    registry,
    server::NamedService,
    service_fn,
};

#[doc = include_str!("message.md")]
pub use rpc_macros::Message;
#[doc = include_str!("rpc_error.md")]
pub use rpc_macros::RpcError;
#[doc = include_str!("rpc_service.md")]
pub use rpc_macros::rpc_service;
