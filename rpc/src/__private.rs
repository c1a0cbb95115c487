//! What generated code names, and nobody else.
#![doc(hidden)]

/// The first version of the contract between the macros and the core. A macro of a later version that needs something
/// else gets a module of its own, so that code expanded before still compiles.
pub mod v1 {
    pub use rpc_core::{
        Body, Cancel, Code, Context, Detail, Kind, Method, Payload, Request, Response, RpcError, Service,
        ServiceDescriptor, Status, Streaming,
        client::{Channel, Client},
        message,
        message::__private as codec,
        schema,
        server::NamedService,
        stub,
    };
}
