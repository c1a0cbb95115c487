use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, #[rpc(key)] number: String, #[rpc(key)] store: String) -> Result<String, Status>;
}

fn main() {}
