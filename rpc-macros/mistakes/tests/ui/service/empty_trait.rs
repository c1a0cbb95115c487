use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {}

fn main() {}
