use rpc::Message;

type Row = Vec<String>;

#[derive(Message)]
struct Table {
    rows: Vec<Row>,
}

fn main() {}
