use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tag = 536870912)]
    number: String,
}

fn main() {}
