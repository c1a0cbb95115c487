use rpc::prelude::*;

#[rpc_service(pakage = "ui", name = Orders)] // 2 mistakes
pub trait Orders {
    #[rpc(timeout = "abc", idempotnt, cancel = drop, bare = true)] // 4 mistakes
    async fn find(&self, number: &str) -> Result<String, Status>; // 1 mistake

    fn count(&mut self, #[rpc(tag = "3", kee)] store: u32) -> Result<u32, Status>; // 4 mistakes
}

fn main() {}
