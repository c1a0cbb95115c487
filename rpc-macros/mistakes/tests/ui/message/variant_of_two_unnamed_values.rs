use rpc::Message;

#[derive(Message)]
enum Payment {
    Card(String, u32),
    Cash(u64),
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Payment,
    many: Vec<Payment>,
}

fn main() {}
