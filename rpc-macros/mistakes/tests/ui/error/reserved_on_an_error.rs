use rpc::RpcError;

#[derive(RpcError, thiserror::Error, Debug)]
#[rpc(reserved(2))]
enum OrderError {
    #[error("no order {number}")]
    #[rpc(code = NotFound)]
    NotFound { number: String },
    #[error(transparent)]
    Rpc(#[from] rpc::Status),
}

fn main() {}
