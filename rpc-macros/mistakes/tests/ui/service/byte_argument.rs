use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: u8) -> Result<String, Status>;
}

fn main() {}
