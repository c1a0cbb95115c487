use rpc::Message;

#[derive(Message)]
enum Size {
    #[rpc(unknown)]
    Other,
    #[rpc(unknown)]
    Strange,
    Small,
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Size,
    many: Vec<Size>,
}

fn main() {}
