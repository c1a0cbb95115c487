//! What a file that declares, serves or calls a service needs: `use rpc::prelude::*;`.
//!
//! There is no `Result` in it: one of a single argument would shadow everybody's own.

pub use crate::{Client, Context, Discover, Message, RpcError, Status, Streaming, rpc_service};
