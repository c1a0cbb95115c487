use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(bare)]
    async fn find(&self, number: String, store: String) -> Result<String, Status>;
}

fn main() {}
