//! gRPC, true to the wire, in both roles and all four kinds of call.
//!
//! Any gRPC client in any language can call what is served through [`Grpc`], and [`Grpc`] can call any gRPC server.
//! `PROTOCOL-HTTP2.md` of the gRPC project is the specification; what it leaves open is decided as grpc-go does.
//!
//! hyper drives the HTTP/2 connections, on tasks that the caller owns. tonic gives what is gRPC's rather than HTTP's:
//! the codes, the form of a status in trailers, the form of binary metadata. Its message codec is not used. It asks for
//! two buffers of 8 KiB per call and side, copies every message into one of them, and sends an empty DATA frame behind
//! each request, which is a quarter of what a small call costs; what it is needed for, five bytes before a message, is
//! in `frames`. Neither are its `Channel`, `Server` and router: balancing, deadlines, drain and routing are `rpc-core`'s,
//! the same on every wire.
//!
//! The modules are listed in the order in which a call meets them.

mod grpc;

// The client's end.
mod answer;
mod caller;
mod connect;
mod failure;
mod upload;

// The server's end.
mod handle;
mod reply;
mod serve;

// What both ends share, from the outside of a call to the inside.
mod executor;
mod frames;
mod headers;
mod timeout;
mod trailers;

pub use grpc::Grpc;
