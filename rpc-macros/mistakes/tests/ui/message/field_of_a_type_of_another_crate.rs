use rpc::Message;
use std::net::IpAddr;

#[derive(Message)]
struct Visit {
    from: IpAddr,
}

fn main() {}
