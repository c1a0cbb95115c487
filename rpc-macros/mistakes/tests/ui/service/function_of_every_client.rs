use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Stores {
    async fn discover(&self, place: String) -> Result<String, Status>;
}

fn main() {}
