use rpc::Message;

#[derive(Message)]
struct Prices {
    names: std::collections::HashMap<f64, String>,
}

fn main() {}
