use rpc::Message;

#[derive(Message)]
struct Order {
    items: std::collections::HashMap<String, Vec<String>>,
}

fn main() {}
