use rpc::Message;

#[derive(Message)]
#[rpc(reserved = 4)]
pub struct Order {
    pub number: String,
}

fn main() {}
