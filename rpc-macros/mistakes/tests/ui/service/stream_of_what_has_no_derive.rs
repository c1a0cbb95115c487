use rpc::prelude::*;

pub struct Order;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn import(&self, orders: Streaming<Order>) -> Result<u32, Status>;
}

fn main() {}
