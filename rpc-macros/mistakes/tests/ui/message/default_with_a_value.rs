use rpc::Message;

#[derive(Message)]
pub enum Payment {
    #[rpc(default = true)]
    Cash(u64),
    Card { number: String },
}

fn main() {}
