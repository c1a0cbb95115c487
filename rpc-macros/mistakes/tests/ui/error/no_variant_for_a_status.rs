use rpc::RpcError;

#[derive(RpcError, Debug)]
enum OrderError {
    #[rpc(code = NotFound)]
    NotFound { number: String },
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

// What uses the error is not to blame.
fn handler(status: Result<(), rpc::Status>) -> Result<(), OrderError> {
    Ok(status?)
}

fn sent(error: OrderError) -> rpc::Status {
    error.into_status()
}

fn main() {}
