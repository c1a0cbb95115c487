use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tagg = 4)]
    number: String,
}

fn main() {}
