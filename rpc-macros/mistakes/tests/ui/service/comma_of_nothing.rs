use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(idempotent,, timeout = "1s")]
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
