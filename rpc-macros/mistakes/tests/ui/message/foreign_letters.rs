use rpc::Message;

#[derive(Message)]
struct Order {
    번호: String,
}

fn main() {}
