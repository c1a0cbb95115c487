use rpc::Message;

#[derive(Message)]
struct Order {
    place: (f64, f64),
}

fn main() {}
