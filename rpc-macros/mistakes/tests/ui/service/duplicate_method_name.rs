use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, Status>;
    #[rpc(name = "Find")]
    async fn find_again(&self, number: String) -> Result<String, Status>;
}

fn main() {}
