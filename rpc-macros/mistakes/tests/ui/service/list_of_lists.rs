use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, numbers: Vec<Vec<String>>) -> Result<String, Status>;
}

fn main() {}
