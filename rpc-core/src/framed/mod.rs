//! What every wire of frames needs that carries many calls on one byte stream.
//!
//! # How to write a transport
//!
//! Decide how each [`Frame`] looks in bytes, and write a [`Codec`]: one function that appends a frame, one that takes
//! the next frame out of what was read. [`Framed`] makes a [`Transport`](crate::transport::Transport) of it, to be
//! given to `App::builder().transport(..)`:
//!
//! ```
//! # extern crate rpc_core as rpc;
//! use bytes::BytesMut;
//! use rpc::framed::{Codec, Frame, Framed, Malformed};
//!
//! #[derive(Clone)]
//! struct Telegrams;
//!
//! impl Codec for Telegrams {
//!     fn encode(&mut self, frame: &Frame, out: &mut BytesMut) {
//!         match frame {
//!             Frame::Hello(_) => out.extend_from_slice(b"TELEGRAM/1 STOP\n"),
//!             Frame::Cancel { id } => out.extend_from_slice(format!("CANCEL {id} STOP\n").as_bytes()),
//!             _ => out.extend_from_slice(b"...\n"), // and so on: every frame has to be said
//!         }
//!     }
//!
//!     fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
//!         let Some(end) = read.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
//!         let line = read.split_to(end + 1);
//!         match line.strip_prefix(b"CANCEL ").and_then(|rest| rest.strip_suffix(b" STOP\n")) {
//!             Some(id) => {
//!                 let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
//!                 Ok(Some(Frame::Cancel { id: id.ok_or(Malformed("a telegram without a number"))? }))
//!             }
//!             None => Ok(Some(Frame::Unknown)), // what a later version says, and this one may skip
//!         }
//!     }
//!
//!     fn max_frame(&self, max_message: usize) -> usize {
//!         2 * max_message + 64 * 1024
//!     }
//! }
//!
//! const TELEGRAMS: Framed<Telegrams> = Framed::new("telegrams", "telegrams/1", b"TELEGRAM/1", Telegrams);
//! ```
//!
//! The examples have a whole one: JSON objects, one a line, in under 200 lines. A wire that the kit does not fit
//! implements `Transport` itself, and may still use the parts: [`Pipe`], [`Link`], [`Pulse`], [`Eager`]. tarpc does.
//!
//! # What the kit does
//!
//! - **Greeting.** Both sides begin with a hello that has their limits; who does not answer it speaks another protocol
//!   ([`ProtocolRefused`](crate::transport::ProtocolRefused)), who answers as another instance is left alone.
//! - **Calls** are numbered, counted against the limits of both sides, over which they wait, and cancelled when they
//!   are dropped. Each ends in exactly one way; when the connection ends first, in an error that knows whether a byte
//!   of the call has left.
//! - **Streams** flow on credit of items and bytes, granted again as they are read, so that a reader that stops, stops
//!   the sender. What of a stream waits for its reader is at most [`Credit::default`] and one message.
//! - **Sizes** of messages are checked at the sender and at the receiver, and fail the call alone. A frame without an
//!   end is cut off at [`Codec::max_frame`].
//! - **Drain**: no new calls, those that are open end in peace, and what is left is told
//!   `Unavailable: server draining`.
//! - **Batches**: frames are written in place into one buffer and sent together; with 64 KiB waiting, senders wait, and
//!   a server reads no more from a client that does not read.
//! - **Silence** of a server is asked about after 20 s while calls are open.
//!
//! What it deliberately does not do: reconnect, retry, balance; that is the same on every wire and is done above. Nor
//! has it a credit for the whole connection: the bound for one is that of a stream, times the limit of open calls.

// What differs: the bytes.
mod codec;
mod frame;
mod transport;

// The two roles.
mod client;
mod server;

// Between them: one connection.
mod driver;
mod flow;
mod greeting;
mod mux;
mod replies;
mod requests;
mod sending;

// What wires use that frame in their own way.
mod eager;
mod ended;
mod link;
mod pipe;
mod pulse;

pub use client::connect;
pub use codec::Codec;
pub use eager::Eager;
pub use ended::{Ended, Malformed};
pub use frame::{Call, Credit, Frame, Hello};
pub use link::{Link, Position};
pub use mux::{draining, too_many_calls};
pub use pipe::Pipe;
pub use pulse::{Beat, Pulse, Side};
pub use server::serve;
pub use transport::Framed;

#[cfg(test)]
mod tests;
