use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(cancel = "finish")]
    async fn follow(&self, number: String) -> Result<Streaming<String>, Status>;
}

fn main() {}
