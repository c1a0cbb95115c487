use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find<T: Send>(&self, number: String) -> Result<String, Status>;
}

fn main() {}
