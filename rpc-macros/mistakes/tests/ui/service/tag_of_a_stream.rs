use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn import(&self, #[rpc(tag = 3)] numbers: Streaming<String>) -> Result<u32, Status>;
}

fn main() {}
