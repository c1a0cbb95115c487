use rpc::RpcError;

#[derive(RpcError, Debug)]
enum OrderError {
    #[rpc(code = 404)]
    NotFound { number: String },
    #[rpc(status)]
    Rpc(rpc::Status),
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

fn main() {}
