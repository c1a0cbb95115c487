use rpc::Message;

#[derive(Message)]
enum Payment {
    #[rpc(reserved(2))]
    Cash(u64),
    Card { number: String },
}

fn main() {}
