use rpc::prelude::*;

pub struct Order;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn place(&self, order: Order) -> Result<String, Status>;
}

pub async fn use_it(orders: OrdersClient) {
    let _ = orders.place(Order).await;
}

fn main() {}
