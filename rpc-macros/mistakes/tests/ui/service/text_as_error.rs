use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, String>;
}

fn main() {}
