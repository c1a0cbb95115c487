use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(reserved(2, "store"))]
    async fn find(&self, number: String, #[rpc(tag = 2)] shop: String) -> Result<String, Status>;
}

fn main() {}
