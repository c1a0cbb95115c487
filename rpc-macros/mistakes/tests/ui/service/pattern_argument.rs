use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, (number, store): (String, String)) -> Result<String, Status>;
}

fn main() {}
