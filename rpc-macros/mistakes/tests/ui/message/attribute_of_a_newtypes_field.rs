use rpc::Message;

#[derive(Message)]
struct OrderId(#[rpc] u64);

fn main() {}
