use rpc::RpcError;

#[derive(Debug)]
struct Store;

#[derive(RpcError, Debug)]
enum OrderError {
    #[rpc(code = FailedPrecondition)]
    Closed { store: Store },
    #[rpc(status)]
    Rpc(rpc::Status),
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

fn main() {}
