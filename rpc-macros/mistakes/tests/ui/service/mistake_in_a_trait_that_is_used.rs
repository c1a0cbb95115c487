use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(idempotnet)]
    async fn find(&self, number: String) -> Result<String, Status>;
    async fn ping(&self) -> Result<(), Status> {
        Ok(())
    }
}

struct Kitchen;

impl Orders for Kitchen {
    async fn find(&self, number: String) -> Result<String, Status> {
        Ok(number)
    }
}

pub async fn use_it() -> Result<(), Status> {
    let orders = OrdersClient::local(Kitchen).with_timeout(std::time::Duration::from_secs(1));
    let _server = OrdersServer::new(std::sync::Arc::new(orders.clone()));
    orders.find(String::new()).await?;
    orders.ping().await
}

fn main() {}
