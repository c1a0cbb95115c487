use rpc::Message;

#[derive(Message)]
#[rpc(reserved(9..=7))]
struct Order {
    number: String,
}

fn main() {}
