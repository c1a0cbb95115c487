//! gRPC, true to the wire, in both roles and all four kinds of call.
//!
//! Any gRPC client in any language can call what is served through [`Grpc`], and [`Grpc`] can call any gRPC server.
//! `PROTOCOL-HTTP2.md` of the gRPC project is the specification; what it leaves open is decided as grpc-go does.
//!
//! h2 moves the frames of HTTP/2, on tasks that the caller owns; tonic gives what is gRPC's rather than HTTP's: the
//! codes, and the form of a status in trailers. What is not used, and why (instructions for one small call, both sides,
//! by callgrind):
//!
//! - **hyper**. Its client spawns two tasks for every call and hands it over through two channels; its server wraps
//!   each call once more. What it adds to h2 that gRPC needs is little: a ping that finds a lost peer (`keep_alive`),
//!   and back-pressure for streams (`frames::send`). And it forgets what matters for whether a call may be made again:
//!   that h2 did not take it.
//! - **tonic's codec**. It asks for two buffers of 8 KiB per call and side, copies every message into one of them, and
//!   sends an empty DATA frame behind each request. What it is needed for, five bytes before a message, is in `frames`.
//! - **tonic's `Channel`, `Server` and router**. Balancing, deadlines, drain and routing are `rpc-core`'s, the same on
//!   every wire.
//!
//! One module, one step of a call.

mod grpc;

// The client's end: the connection, a call on its way out and back, and what goes wrong.
mod answer;
mod caller;
mod connect;
mod failure;
mod upload;
mod watched;

// The server's end: the connection, and a call on its way in and back.
mod authority;
mod handle;
mod reply;
mod serve;
mod shared;

// The server's end of what is made for tonic: the only place where tonic shows in the API.
mod mount;

// What both ends share.
mod encoding;
mod frames;
mod headers;
mod keep_alive;
mod late;
mod timeout;
mod trailers;

pub use grpc::Grpc;
pub use mount::Mounted;

/// The target of what this crate logs: filters name it, so it does not change.
pub(crate) const TARGET: &str = "rpc_grpc";
