use rpc::prelude::*;

pub struct Order;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<Order, Status>;
}

fn main() {}
