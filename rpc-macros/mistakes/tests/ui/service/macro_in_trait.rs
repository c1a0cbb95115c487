use rpc::prelude::*;

macro_rules! more {
    () => {};
}

#[rpc_service(package = "ui")]
pub trait Orders {
    more!();
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
