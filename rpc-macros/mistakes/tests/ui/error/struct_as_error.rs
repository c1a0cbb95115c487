use rpc::RpcError;

#[derive(RpcError, Debug)]
struct OrderError {
    number: String,
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

fn main() {}
