use rpc::Message;

#[derive(Message)]
struct Order<'a> {
    number: std::borrow::Cow<'a, str>,
}

fn main() {}
