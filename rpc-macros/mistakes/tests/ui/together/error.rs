use rpc::prelude::*;

#[derive(RpcError, thiserror::Error, Debug)]
pub enum OrderError {
    #[error("not found")]
    #[rpc(code = NotFond, name = Missing, reserved(x))] // 3 mistakes
    NotFound,
    #[error("closed")]
    #[rpc(code)] // 1 mistake
    Closed,
    #[error(transparent)]
    #[rpc(status = true)] // 1 mistake
    Rpc(#[from] Status),
}

fn main() {}
