use rpc::prelude::*;

#[rpc_service(name = "Counters", crate = rpc)]
pub(crate) trait Counter {
    /// Adds; has a body of its own.
    #[rpc(name = "Sum", cancel = "drop", reserved(2, 4..=5, "carry"))]
    async fn add(&self, #[rpc(tag = 7)] left: u32, right: u32) -> Result<u32, Status> {
        left.checked_add(right).ok_or_else(|| Status::invalid_argument("too large"))
    }

    #[cfg(test)]
    #[deprecated]
    #[rpc(bare)]
    async fn reset(&self, text: String) -> Result<(), Status>;

    async fn r#type(&self) -> Result<String, Status>;
}
