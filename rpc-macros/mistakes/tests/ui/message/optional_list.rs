use rpc::Message;

#[derive(Message)]
struct Order {
    items: Option<Vec<String>>,
}

fn main() {}
