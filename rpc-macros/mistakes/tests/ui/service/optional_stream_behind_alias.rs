use rpc::prelude::*;

type Steps = Streaming<String>;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn follow(&self, number: String) -> Result<Option<Steps>, Status>;
}

fn main() {}
