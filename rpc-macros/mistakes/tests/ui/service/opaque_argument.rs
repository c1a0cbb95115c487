use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: impl ToString) -> Result<String, Status>;
}

fn main() {}
