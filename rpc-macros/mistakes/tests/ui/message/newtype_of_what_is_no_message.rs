use rpc::Message;

struct Item {
    menu: String,
}

#[derive(Message)]
struct Wrapped(Item);

fn main() {}
