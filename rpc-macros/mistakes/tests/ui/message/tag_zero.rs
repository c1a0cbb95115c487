use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tag = 0)]
    number: String,
}

fn main() {}
