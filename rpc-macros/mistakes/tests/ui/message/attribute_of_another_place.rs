use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(idempotent)]
    number: String,
}

fn main() {}
