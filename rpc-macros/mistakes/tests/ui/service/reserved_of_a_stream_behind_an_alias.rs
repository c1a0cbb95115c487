use rpc::prelude::*;

type Numbers = Streaming<String>;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(reserved(2))]
    async fn import(&self, numbers: Numbers) -> Result<u32, Status>;
}

fn main() {}
