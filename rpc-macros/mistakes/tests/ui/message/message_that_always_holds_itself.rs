use rpc::Message;

#[derive(Message)]
struct Node {
    next: Box<Node>,
}

fn main() {}
