use rpc::Message;

#[derive(Message)]
enum Never {}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Never,
    many: Vec<Never>,
}

fn main() {}
