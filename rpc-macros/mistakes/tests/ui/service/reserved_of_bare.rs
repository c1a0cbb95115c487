use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(bare, reserved(2))]
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
