use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(reserved(2))]
    async fn import(&self, numbers: Streaming<String>) -> Result<u32, Status>;
}

fn main() {}
