//! The ways to reach a server.

mod dead;
mod local;
mod wire;

pub use local::Local;
pub use wire::{Line, Tls, Wire, channel};

use crate::{
    lab::{Bench, LabClient},
    raw::Raw,
    scenario::NotApplicable,
};
use rpc_core::{
    Address, BoxFuture,
    client::Channel,
    server::Fidelity,
    tls::Security,
    transport::{Limits, Transport},
};
use rpc_testkit::Mode;
use std::sync::Arc;

/// A way to reach a server.
pub trait Column: Send + Sync + 'static {
    /// What stands above it in the table.
    fn name(&self) -> &'static str;

    /// What the server says that its calls came on: [`rpc_core::Peer::transport`].
    fn transport(&self) -> &'static str;

    /// Whether the line is encrypted.
    fn security(&self) -> Security {
        Security::Plain
    }

    /// A server of its own, and clients of it.
    fn open(&self, plan: Plan) -> BoxFuture<'_, Site>;
}

/// Every wire: the two of the framework, and the one that the examples make of the core's kit.
pub fn wires() -> Vec<Arc<dyn Transport>> {
    vec![
        Arc::new(rpc_grpc::Grpc::default()),
        Arc::new(rpc_tarpc::Tarpc::default()),
        Arc::new(orders::json_lines::json_lines()),
    ]
}

/// All columns, in the order of the table.
pub fn all() -> Vec<Arc<dyn Column>> {
    let mut columns: Vec<Arc<dyn Column>> =
        vec![Arc::new(Local::new("local value", Fidelity::Value)), Arc::new(Local::new("local wire", Fidelity::Wire))];
    columns.extend(wires().into_iter().map(|wire| Arc::new(Wire::new(wire.name(), wire)) as Arc<dyn Column>));
    columns.push(Arc::new(Wire::encrypted("grpc + tls", Arc::new(rpc_grpc::Grpc::default()))));
    columns.push(Arc::new(Wire::encrypted("tarpc + tls", Arc::new(rpc_tarpc::Tarpc::default()))));
    columns
}

/// What a scenario wants to stand at the other end.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The laboratory.
    pub bench: Bench,
    /// The service without generated code.
    pub raw: Raw,
    /// Whether the laboratory answers.
    pub speech: Speech,
    /// What the line does to connections from the first on.
    pub mode: Mode,
    /// What server and client accept on a wire. In-process the defaults hold.
    pub limits: Limits,
    /// Other servers that the client knows as well.
    pub others: Vec<Address>,
    /// What becomes of the first attempt at each call.
    pub first: FirstAttempt,
}

/// What becomes of the first attempt at each call of a plan. In-process nothing is made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstAttempt {
    /// It is sent.
    #[default]
    Sent,
    /// The connection it was to go on has just died, and it never leaves.
    FindsADeadConnection,
}

/// What the laboratory answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speech {
    /// Messages.
    #[default]
    Messages,
    /// Bytes that are none.
    Babble,
}

/// A server, and clients of it. The server ends with it.
#[derive(Debug)]
pub struct Site {
    /// The client that the macro made.
    pub lab: LabClient,
    /// A channel to the service without generated code.
    pub raw: Channel,
    /// What stands at the other end.
    pub plan: Plan,
    /// What lies between, if there is something.
    line: Option<Line>,
}

impl Site {
    /// The sockets.
    ///
    /// # Errors
    /// When everything is in one process.
    pub fn line(&self) -> Result<&Line, NotApplicable> {
        self.line.as_ref().ok_or(NotApplicable)
    }

    /// The same, with the right to end the server.
    ///
    /// # Errors
    /// When everything is in one process.
    pub fn line_mut(&mut self) -> Result<&mut Line, NotApplicable> {
        self.line.as_mut().ok_or(NotApplicable)
    }
}
