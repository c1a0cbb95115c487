use rpc::prelude::*;

/// In a crate that re-exports ours.
#[rpc_service(crate = framework)]
pub trait Greeter {
    /// Greets.
    #[rpc(bare)]
    async fn greet(&self, person: Person) -> Result<Person, GreetError>;
}

/// Who is greeted.
#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(crate = framework)]
pub struct Person {
    /// What they are called.
    pub name: String,
}

/// Why nobody is greeted.
#[derive(RpcError, Debug)]
#[rpc(crate = framework)]
pub enum GreetError {
    /// Whatever the wire did.
    #[rpc(status)]
    Rpc(Status),
}
