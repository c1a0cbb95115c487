use rpc::Message;

#[derive(Message)]
struct Order {
    number: &'static str,
}

fn main() {}
