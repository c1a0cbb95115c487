use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(self: std::sync::Arc<Self>, number: String) -> Result<String, Status>;
}

fn main() {}
