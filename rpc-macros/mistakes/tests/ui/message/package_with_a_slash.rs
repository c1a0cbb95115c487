use rpc::Message;

#[derive(Message)]
#[rpc(package = "baedal/orders")]
struct Order {
    number: String,
}

fn main() {}
