//! What is the same on every wire and on every registry.
//!
//! A call is an asynchronous function from [`Request`] to `Result<Response, Status>`, and everything a call passes
//! through has that one shape, [`Service`]: the generated client's channel, each layer, the balancer, a connection,
//! the router, the generated server. This crate holds the shape and all that does not depend on a protocol; it names
//! neither HTTP, gRPC, tarpc nor ZooKeeper. People depend on the facade crate `rpc`, not on this one.
//!
//! The modules are in groups, and those in the order in which a call meets them.

// What a call is made of.
mod batch;
mod body;
mod code;
mod context;
mod deadline;
mod ending;
mod fnv;
mod layers;
mod loan;
pub mod message;
mod metadata;
mod method;
mod payload;
mod priority;
mod pushback;
mod request;
mod rider;
mod service;
mod status;
mod streaming;
mod trailers;

// What generated code calls, and what it says of itself.
pub mod schema;
pub mod stub;

// The way out: channel, balancer, endpoint, connection.
pub mod client;

// The seams: a wire, a byte stream, the place where servers are found, who watches.
mod address;
mod drain;
pub mod framed;
mod io;
mod notices;
pub mod observer;
mod places;
pub mod registry;
mod spawn;
mod tasks;
pub mod tls;
pub mod tower;
pub mod transport;

// The way in: listener, layers, router.
pub mod server;

pub use address::{Address, AddressError};
pub use batch::{Batch, Bounds, Head};
pub use body::{Body, PayloadStream};
pub use code::Code;
pub use context::{CallId, Context, Peer, TraceContext};
pub use io::{AsyncIo, Io};
pub use layers::Layers;
pub use metadata::{Metadata, MetadataError, Value};
pub use method::{Cancel, Idempotency, Kind, Method, ServiceDescriptor};
pub use observer::{Observer, Observers};
pub use payload::{Decode, ErasedMessage, Payload, PayloadError};
pub use priority::{Priority, PriorityError};
pub use pushback::Pushback;
pub use request::{Hints, Request, Response, Transports};
pub use service::{BoxFuture, BoxService, Service, ServiceFn, service_fn};
pub use spawn::{Task, spawn, spawn_detached};
pub use status::{Delivery, Detail, Origin, RpcError, Status};
pub use streaming::{IntoItem, Streaming};
pub use tasks::Tasks;
pub use tower_layer::{Layer, Stack};
pub use trailers::Trailers;
