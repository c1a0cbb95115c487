use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tag = 19_500)]
    number: String,
}

fn main() {}
