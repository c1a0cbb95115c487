//! One annotation turns a Rust trait into a service.

pub use rpc_core::{
    Address, BoxFuture, BoxService, CallId, Code, Context, Delivery, Detail, Layer, Metadata, MetadataError, Method,
    Observer, Payload, Request, Response, RpcError, Service, Status, Streaming, TraceContext, Transports,
    client::{Channel, Client},
    service_fn,
};

pub mod __private;
