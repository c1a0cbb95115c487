use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, #[cfg_attr(all(), rpc(key))] number: String) -> Result<String, Status>;
}

fn main() {}
