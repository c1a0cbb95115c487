use rpc::Message;

#[derive(Message)]
#[rpc(reserved = 4, name = "a-b", package)] // 3 mistakes
pub struct Order {
    #[rpc(tag = "1", nam = "id")] // 2 mistakes
    pub number: String,
    pub count: u8, // 1 mistake
}

fn main() {}
