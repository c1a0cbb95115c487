use rpc::Message;

#[derive(Message)]
enum Size {
    #[rpc(default)]
    Small,
    Large,
}

fn main() {}
