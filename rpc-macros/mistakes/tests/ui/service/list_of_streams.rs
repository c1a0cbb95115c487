use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn import(&self, parts: Vec<Streaming<String>>) -> Result<u32, Status>;
}

fn main() {}
