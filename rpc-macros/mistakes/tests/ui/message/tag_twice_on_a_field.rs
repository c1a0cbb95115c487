use rpc::Message;

#[derive(Message)]
struct Item {
    #[rpc(tag = 2)]
    #[rpc(tag = 3)]
    menu: String,
}

fn main() {}
