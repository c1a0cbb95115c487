use rpc::prelude::*;

/// Has a mistake; what uses it compiles nevertheless.
#[rpc_service(package = "baedal.orders.v1")]
pub trait Orders {
    async fn find(&self, number: &str) -> Result<String, Status>;
}
