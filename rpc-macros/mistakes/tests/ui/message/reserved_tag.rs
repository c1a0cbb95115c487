use rpc::Message;

#[derive(Message)]
#[rpc(reserved(3, 7..=9))]
struct Order {
    #[rpc(tag = 8)]
    number: String,
}

fn main() {}
