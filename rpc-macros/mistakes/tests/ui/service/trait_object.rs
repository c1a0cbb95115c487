use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn hold(_orders: Box<dyn Orders>) {}

fn main() {}
