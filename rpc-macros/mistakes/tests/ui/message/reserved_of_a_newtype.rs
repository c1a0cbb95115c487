use rpc::Message;

#[derive(Message)]
#[rpc(reserved(2))]
struct OrderId(u64);

fn main() {}
