use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Radio {
    async fn channel(&self, number: u32) -> Result<String, Status>;
}

fn main() {}
