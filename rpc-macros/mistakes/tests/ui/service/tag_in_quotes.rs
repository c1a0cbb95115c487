use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, #[rpc(tag = "3")] number: String) -> Result<String, Status>;
}

fn main() {}
