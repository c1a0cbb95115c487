use rpc::Message;

#[derive(Message)]
enum Size {
    Small,
    #[rpc(tag = 4_294_967_296)]
    Large,
}

fn main() {}
