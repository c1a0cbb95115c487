use rpc::Message;

#[derive(Message)]
struct Order {
    count: u8,
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Order,
    many: Vec<Order>,
}

fn main() {}
