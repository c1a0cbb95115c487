//! Programs of different ages: one whose argument was taken away, and one that still sends it.
#![expect(unreachable_pub, reason = "both traits are interfaces of their modules")]

use rpc::{Channel, prelude::*};
use rpc_core::server::Fidelity;

mod before {
    use rpc::prelude::*;

    #[rpc_service(package = "test.evolution.v1")]
    pub trait Stores {
        async fn stock(&self, store: String, item: String, count: u32) -> Result<String, Status>;

        async fn count(&self, since: u64) -> Result<u32, Status>;
    }
}

mod after {
    use rpc::prelude::*;

    #[rpc_service(package = "test.evolution.v1")]
    pub trait Stores {
        #[rpc(reserved(2, "item"))]
        async fn stock(&self, store: String, count: u32) -> Result<String, Status>;

        #[rpc(reserved(1, "since"))]
        async fn count(&self) -> Result<u32, Status>;
    }
}

struct Street;

impl before::Stores for Street {
    async fn stock(&self, store: String, item: String, count: u32) -> Result<String, Status> {
        Ok(format!("{store} {item:?} {count}"))
    }

    async fn count(&self, since: u64) -> Result<u32, Status> {
        Ok(since as u32)
    }
}

impl after::Stores for Street {
    async fn stock(&self, store: String, count: u32) -> Result<String, Status> {
        Ok(format!("{store} {count}"))
    }

    async fn count(&self) -> Result<u32, Status> {
        Ok(7)
    }
}

#[tokio::test]
async fn an_argument_that_was_taken_away_means_nothing_and_moves_no_other() {
    use {after::Stores as _, before::Stores as _};

    let newer = Channel::local(after::StoresServer::new(Street), Fidelity::Wire);
    let old = before::StoresClient::from_channel(newer);
    assert_eq!(old.stock("baker".to_owned(), "bread".to_owned(), 3).await.unwrap(), "baker 3");
    assert_eq!(old.count(9).await.unwrap(), 7);

    let older = Channel::local(before::StoresServer::new(Street), Fidelity::Wire);
    let new = after::StoresClient::from_channel(older);
    assert_eq!(new.stock("baker".to_owned(), 3).await.unwrap(), "baker \"\" 3");
    assert_eq!(new.count().await.unwrap(), 0);
}

#[test]
fn what_is_reserved_stands_in_the_proto() {
    let proto = after::StoresClient::SERVICE.schema().unwrap().proto();
    let stock = "message StoresStockRequest {\n  reserved 2;\n  reserved \"item\";\n\n  string store = 1;\n  \
                 uint32 count = 3;\n}";
    assert!(proto.contains(stock), "{proto}");
    let count = "message StoresCountRequest {\n  reserved 1;\n  reserved \"since\";\n}";
    assert!(proto.contains(count), "{proto}");
}
