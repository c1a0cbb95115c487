use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub unsafe trait Orders {
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
