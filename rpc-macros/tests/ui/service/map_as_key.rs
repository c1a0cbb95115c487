use rpc::prelude::*;
use std::collections::HashMap;

type Labels = HashMap<String, String>;

#[rpc_service]
trait Orders {
    async fn find(&self, #[rpc(key)] labels: Labels) -> Result<String, Status>;
}

fn main() {}
