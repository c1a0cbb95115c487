use rpc::Message;

#[derive(Message)]
#[rpc(reserved("price"))]
struct Order {
    price: u64,
}

fn main() {}
