use rpc::prelude::*;

/// Why an order could not be found.
#[derive(RpcError, Debug)]
#[rpc(package = "baedal.orders.v1")]
pub enum OrderError {
    /// Nobody has placed it.
    #[rpc(code = NotFound)]
    NotFound {
        /// The number asked for.
        number: String,
    },
    /// The store is closed.
    #[rpc(code = FailedPrecondition)]
    Closed,
    /// Whatever the wire, the deadline or the fleet did.
    #[rpc(status)]
    Rpc(Status),
}
