//! Types of the user's that are called as everybody else's are, and traits beside each other.
#![deny(warnings, clippy::all)]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "hostile code is not tidy")]

/// Messages with the worst names there are: each is in scope where the service and the other messages are declared.
mod worst {
    use rpc::{Message, RpcError, rpc_service};

    #[derive(Message, Clone, Debug, PartialEq)]
    pub struct String {
        pub value: u32,
    }

    #[derive(Message, Clone, Debug, PartialEq)]
    pub struct Vec {
        pub option: Option,
        pub string: String,
    }

    #[derive(Message, Clone, Debug, PartialEq)]
    pub enum Option {
        Some(String),
        None,
    }

    #[derive(Message, Clone, Debug, PartialEq)]
    pub struct Streaming {
        pub arc: Arc,
    }

    #[derive(Message, Clone, Debug, PartialEq)]
    pub enum Arc {
        Send,
        Sync,
        #[rpc(unknown)]
        Future,
    }

    /// Not ours, and not an error.
    #[derive(Message, Clone, Debug, PartialEq)]
    pub struct Status {
        pub ok: bool,
    }

    #[derive(RpcError, thiserror::Error, Debug)]
    pub enum Err {
        #[error("no")]
        #[rpc(code = Internal)]
        Ok { status: Status },
        #[error(transparent)]
        Rpc(#[from] rpc::Status),
    }

    pub type Result<T> = core::result::Result<T, Err>;

    #[rpc_service]
    pub trait Future {
        async fn send(&self, vec: Vec, option: Option) -> Result<Streaming>;
        async fn ok(&self, status: Status, self_: String, request: u32, context: u32, channel: u32) -> Result<String>;
    }

    /// The same methods as its neighbour.
    #[rpc_service(package = "worst")]
    pub trait Send {
        async fn send(&self, vec: Vec, option: Option) -> Result<Streaming>;
        async fn ok(&self, status: Status) -> Result<String>;
    }

    /// A trait whose name is a keyword of some edition.
    #[rpc_service]
    #[allow(non_camel_case_types)]
    pub trait r#gen {
        async fn r#async(&self, r#await: u32, r#dyn: u32) -> Result<u32>;
    }
}

use worst::{Arc, Err as Failure, Option as Choice, Status, Streaming as Items, String as Text, Vec as List};

struct Everybody;

impl worst::Future for Everybody {
    async fn send(&self, vec: List, option: Choice) -> worst::Result<Items> {
        assert_eq!(vec.option, option);
        Ok(Items { arc: Arc::Sync })
    }

    async fn ok(&self, status: Status, self_: Text, request: u32, context: u32, channel: u32) -> worst::Result<Text> {
        if !status.ok {
            return Err(Failure::Ok { status });
        }
        Ok(Text { value: self_.value + request + context + channel })
    }
}

impl worst::Send for Everybody {
    async fn send(&self, _vec: List, _option: Choice) -> worst::Result<Items> {
        Ok(Items { arc: Arc::Future })
    }

    async fn ok(&self, status: Status) -> worst::Result<Text> {
        Err(Failure::Ok { status })
    }
}

impl worst::r#gen for Everybody {
    async fn r#async(&self, r#await: u32, r#dyn: u32) -> worst::Result<u32> {
        Ok(r#await - r#dyn)
    }
}

#[tokio::test]
async fn every_type_is_the_users_own() {
    use worst::Future;
    let one = worst::FutureClient::local(Everybody);
    let choice = Choice::Some(Text { value: 2 });
    let list = List { option: choice.clone(), string: Text { value: 3 } };
    assert_eq!(one.send(list, choice).await.unwrap(), Items { arc: Arc::Sync });
    let sum = one.ok(Status { ok: true }, Text { value: 1 }, 2, 3, 4).await.unwrap();
    assert_eq!(sum, Text { value: 10 });
    let failure = one.ok(Status { ok: false }, Text { value: 1 }, 2, 3, 4).await.unwrap_err();
    assert!(matches!(failure, Failure::Ok { status: Status { ok: false } }));
}

#[tokio::test]
async fn two_services_of_one_module_may_have_the_same_methods() {
    use worst::Send;
    let two = worst::SendClient::local(Everybody);
    assert!(matches!(two.ok(Status { ok: true }).await, Err(Failure::Ok { status: Status { ok: true } })));
    assert_eq!(worst::SendClient::SEND.path, "/worst.Send/Send");
    assert_eq!(worst::FutureClient::SEND.path, "/Future/Send");
}

#[tokio::test]
async fn keywords_are_names() {
    use worst::r#gen;
    assert_eq!(worst::genClient::local(Everybody).r#async(5, 3).await.unwrap(), 2);
    assert_eq!(worst::genClient::ASYNC.path, "/gen/Async");
}
