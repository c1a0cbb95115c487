use rpc::Message;

#[derive(Message)]
enum Size {
    Small = 0,
    Large,
}

fn main() {}
