use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, number: String) -> Result<String, Status>;
}

struct Kitchen;

impl Orders for Kitchen {
    async fn find(&self, number: String) -> Result<String, Status> {
        let number = std::rc::Rc::new(number);
        std::future::ready(()).await;
        Ok(number.to_string())
    }
}

fn main() {}
