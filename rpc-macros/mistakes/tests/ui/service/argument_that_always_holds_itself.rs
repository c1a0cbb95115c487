use rpc::prelude::*;

type More<T> = Box<Filter<T>>;

#[derive(Message)]
pub enum Filter<T> {
    #[rpc(default)]
    Not(More<T>),
    Is(T),
}

#[derive(Message)]
pub struct Word {
    text: String,
}

#[rpc_service(package = "ui")]
pub trait Orders {
    async fn find(&self, filter: Filter<Word>) -> Result<String, Status>;
}

fn main() {}
