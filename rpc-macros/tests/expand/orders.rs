use rpc::prelude::*;

/// Takes and follows orders.
#[rpc_service(package = "baedal.orders.v1")]
pub trait Orders {
    /// Finds an order by its number.
    #[rpc(idempotent, timeout = "300ms")]
    async fn find(&self, #[rpc(key)] number: String) -> Result<Option<String>, Status>;

    /// Follows an order until it is delivered.
    async fn follow(&self, number: String) -> Result<Streaming<String>, Status>;
}
