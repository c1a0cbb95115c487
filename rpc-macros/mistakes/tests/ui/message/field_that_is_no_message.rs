use rpc::Message;

struct Item {
    menu: String,
}

#[derive(Message)]
struct Order {
    item: Item,
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Order,
    many: Vec<Order>,
}

fn main() {}
