use rpc::Message;

#[derive(Message)]
struct Order {
    #[rpc(tag = 2)]
    number: String,
    #[rpc(tag = 2)]
    store: String,
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Order,
    many: Vec<Order>,
}

fn main() {}
