use rpc::Message;

#[derive(Message)]
struct Node {
    next: Option<Node>,
}

fn main() {}
