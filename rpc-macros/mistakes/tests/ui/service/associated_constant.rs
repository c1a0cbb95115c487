use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    const MOST: u32;
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
