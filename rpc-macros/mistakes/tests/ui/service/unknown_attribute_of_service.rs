use rpc::prelude::*;

#[rpc_service(pakage = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
