use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tag = 2)]
    number: String,
    store: String,
}

fn main() {}
