use rpc::prelude::*;

pub struct Order;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn place(&self, orders: Vec<Order>, store: String) -> Result<String, Status>;
}

fn main() {}
