use rpc::Message;

#[derive(Message)]
struct Prices {
    names: std::collections::BTreeMap<Price, String>,
}

#[derive(Message, PartialEq, Eq, PartialOrd, Ord)]
struct Price {
    amount: u32,
}

fn main() {}
