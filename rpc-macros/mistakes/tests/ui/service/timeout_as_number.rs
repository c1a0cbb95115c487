use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(timeout = 300)]
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
