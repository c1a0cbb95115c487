use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async unsafe fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
