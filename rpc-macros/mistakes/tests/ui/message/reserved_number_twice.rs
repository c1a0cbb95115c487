use rpc::Message;

#[derive(Message)]
#[rpc(reserved(4..=6, 6))]
struct Order {
    number: String,
}

fn main() {}
