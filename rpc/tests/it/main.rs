//! The facade, as people use it. In one program, since each is linked with everything.

#[cfg(any(feature = "grpc", feature = "tarpc"))]
mod common;
mod config;
mod errors;
mod layers;
mod life;
mod observer;
#[cfg(feature = "tarpc")]
mod outside;
mod placement;
mod proto;
mod rules;
mod targets;
mod tls;
