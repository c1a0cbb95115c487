use rpc::prelude::*;

#[rpc_service(package = baedal)]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
