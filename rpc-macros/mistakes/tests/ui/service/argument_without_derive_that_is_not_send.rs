use rpc::prelude::*;
use std::rc::Rc;

pub struct Order {
    pub cache: Rc<str>,
}

#[rpc_service(package = "ui")]
pub trait Orders {
    // Two things are wrong with it: a derive would mend one. // 2 mistakes
    async fn place(&self, order: Order) -> Result<String, Status>;
}

fn main() {}
