use rpc::prelude::*;
use std::collections::HashMap;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, prices: HashMap<f64, String>) -> Result<String, Status>;
}

fn main() {}
