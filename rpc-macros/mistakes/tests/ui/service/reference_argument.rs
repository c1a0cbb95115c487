use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: &str) -> Result<String, Status>;
}

fn main() {}
