use rpc::Message;

#[derive(Message)]
struct Node<T> {
    value: Option<T>,
    next: Box<Node<T>>,
}

fn main() {}
