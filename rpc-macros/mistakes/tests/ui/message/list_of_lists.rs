use rpc::Message;

#[derive(Message)]
struct Table {
    rows: Vec<Vec<String>>,
}

// What uses the type is not to blame.
#[derive(Message)]
struct User {
    one: Table,
    many: Vec<Table>,
}

fn main() {}
