use rpc::Message;

#[derive(Message)]
enum Payment {
    Card(String),
    #[rpc(unknown)]
    Other,
}

fn main() {}
