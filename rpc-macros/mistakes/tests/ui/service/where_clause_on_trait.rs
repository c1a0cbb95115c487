use rpc::prelude::*;

#[rpc_service(package = "ui")]
pub trait Orders
where
    Self: Sized,
{
    async fn find(&self, number: String) -> Result<String, Status>;
}

fn main() {}
