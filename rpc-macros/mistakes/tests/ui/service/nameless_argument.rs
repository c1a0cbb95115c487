use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, _: String) -> Result<String, Status>;
}

fn main() {}
