//! gRPC on one byte stream, with ourselves, with Python and with bytes that nobody should send. In one program, since
//! each is linked with everything.

mod common;
mod late;
mod own;
mod python_client;
mod python_server;
mod requests;
mod waiting;
mod wire;
