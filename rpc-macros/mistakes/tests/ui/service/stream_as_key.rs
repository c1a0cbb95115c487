use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn import(&self, #[rpc(key)] orders: Streaming<String>) -> Result<u32, Status>;
}

fn main() {}
