use rpc::RpcError;

#[derive(RpcError, thiserror::Error, Debug)]
enum OrderError {
    #[error("no order {number}")]
    #[rpc(code = NotFound, code = Internal)]
    NotFound { number: String },
    #[error(transparent)]
    Rpc(#[from] rpc::Status),
}

fn main() {}
