use rpc::Message;

#[derive(Message)]
enum Filter {
    #[rpc(default)]
    Not {
        of: Box<Filter>,
    },
    Is(String),
}

fn main() {}
