use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(cancel = "dorp")]
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
