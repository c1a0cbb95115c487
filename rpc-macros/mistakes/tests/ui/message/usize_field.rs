use rpc::Message;

#[derive(Message)]
struct Order {
    count: usize,
}

fn main() {}
