use rpc::RpcError;

#[derive(RpcError, Debug)]
enum OrderError {
    #[rpc(code = NotFound)]
    NotFound { number: String },
    #[rpc(code = Internal)]
    Broken,
    #[rpc(status)]
    Rpc(rpc::Status),
}

fn main() {}
