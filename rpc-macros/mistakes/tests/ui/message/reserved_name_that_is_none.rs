use rpc::Message;

#[derive(Message)]
#[rpc(reserved("old price"))]
struct Order {
    number: String,
}

fn main() {}
