use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, #[rpc(magic)] number: String) -> Result<String, Status>;
}

fn main() {}
