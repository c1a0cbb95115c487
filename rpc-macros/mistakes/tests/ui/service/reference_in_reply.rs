use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: u32) -> Result<&str, Status>;
}

fn main() {}
