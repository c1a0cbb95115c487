use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    #[cfg_attr(all(), deprecated)]
    async fn find(&self, number: u64) -> Result<String, Status>;
}

fn main() {}
