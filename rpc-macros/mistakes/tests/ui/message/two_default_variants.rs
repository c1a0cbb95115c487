use rpc::Message;

#[derive(Message)]
enum Payment {
    #[rpc(default)]
    Cash(u64),
    #[rpc(default)]
    Free,
}

fn main() {}
