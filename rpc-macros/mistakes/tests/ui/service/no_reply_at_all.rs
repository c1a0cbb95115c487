use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn ping(&self);
}

fn main() {}
