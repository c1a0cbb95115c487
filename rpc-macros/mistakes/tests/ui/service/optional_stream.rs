use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn follow(&self, number: String) -> Result<Option<Streaming<String>>, Status>;
}

fn main() {}
