use rpc::prelude::*;

#[derive(Debug)]
pub struct OrderError;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, OrderError>;
}

fn main() {}
