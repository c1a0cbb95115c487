use rpc::Message;

#[derive(Message)]
#[rpc(reserved(7..))]
struct Order {
    price: u64,
}

fn main() {}
