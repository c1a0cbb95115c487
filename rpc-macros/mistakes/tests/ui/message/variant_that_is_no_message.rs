use rpc::Message;

struct Card {
    number: String,
}

#[derive(Message)]
enum Payment {
    Card(Card),
    Cash { amount: u64 },
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Payment,
    many: Vec<Payment>,
}

fn main() {}
