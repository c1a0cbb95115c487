use rpc::Message;

#[derive(Message)]
enum Payment {
    Cards(Vec<String>),
    Cash(u64),
}

fn main() {}
