use rpc::prelude::*;

#[derive(Message)]
struct Import {
    name: String,
    orders: Streaming<String>,
}

fn main() {}
