use rpc::Message;

struct Item {
    menu: String,
}

#[derive(Message)]
struct Order {
    items: Vec<Item>,
}

fn main() {}
