use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[rpc(reserved(2, 4..=6), reserved(5))]
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
