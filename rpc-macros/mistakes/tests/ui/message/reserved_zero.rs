use rpc::Message;

#[derive(Message)]
#[rpc(reserved(0))]
struct Order {
    number: String,
}

fn main() {}
