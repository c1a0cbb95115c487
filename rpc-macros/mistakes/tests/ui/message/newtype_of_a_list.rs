use rpc::Message;

#[derive(Message)]
struct Tags(Vec<String>);

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Tags,
    many: Vec<Tags>,
}

fn main() {}
