use rpc::Message;

#[derive(Message)]
#[rpc(reserved("old", 4, "old"))]
struct Order {
    number: String,
}

fn main() {}
