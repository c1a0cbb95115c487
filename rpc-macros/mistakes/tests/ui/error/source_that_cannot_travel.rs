use rpc::RpcError;

#[derive(RpcError, thiserror::Error, Debug)]
enum OrderError {
    #[error("the disk failed")]
    #[rpc(code = Internal)]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Rpc(#[from] rpc::Status),
}

fn main() {}
