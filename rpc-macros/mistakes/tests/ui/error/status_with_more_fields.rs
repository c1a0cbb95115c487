use rpc::RpcError;

#[derive(RpcError, Debug)]
enum OrderError {
    #[rpc(status)]
    Rpc(rpc::Status, u32),
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

fn main() {}
