use rpc::prelude::*;

type Feed = Streaming<String>;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn import(&self, store: String, orders: Feed) -> Result<u32, Status>;
}

fn main() {}
