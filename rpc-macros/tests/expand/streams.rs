use rpc::prelude::*;

type Steps = Streaming<String, Late>;

/// Every kind of stream.
#[rpc_service(package = "baedal.orders.v1")]
pub trait Tracking {
    /// A stream of requests.
    async fn import(&self, orders: Streaming<String>) -> Result<u32, Late>;

    /// A stream of replies with an error of its own, behind an alias.
    async fn follow(&self, number: String) -> Result<Steps, Late>;

    /// Both.
    async fn track(&self, riders: Streaming<String>) -> Result<Streaming<String>, Status> {
        Ok(riders)
    }

    /// Not in this build.
    #[cfg(any())]
    async fn later(&self, nothing: Nothing) -> Result<Nothing, Status>;
}
