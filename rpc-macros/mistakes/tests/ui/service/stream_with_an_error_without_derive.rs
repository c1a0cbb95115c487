use rpc::prelude::*;

pub struct Broken;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn follow(&self, number: String) -> Result<Streaming<String, Broken>, Status>;
}

fn main() {}
