//! tarpc on one byte stream. In one program, since each is linked with everything.

mod calls;
mod common;
mod connection;
mod hello;
mod ids;
mod streams;
