use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tag = "1")]
    number: String,
}

fn main() {}
