use rpc::Message;

#[derive(Message)]
enum Filter {
    #[rpc(default)]
    Not(Rest),
    Is(String),
}

#[derive(Message)]
struct Rest {
    of: Box<Filter>,
}

fn main() {}
