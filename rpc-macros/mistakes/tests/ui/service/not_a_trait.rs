use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub struct Orders;

fn main() {}
