use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String, #[cfg(all())] store: String) -> Result<String, Status>;
}

fn main() {}
