//! Generated code in hostile surroundings: no prelude, no warning, shadowed names, names that it uses itself.
#![deny(warnings, missing_docs, clippy::all)]
#![allow(unreachable_pub, reason = "hostile code is not tidy")]

mod hostile;

use hostile::{Echo, EchoClient};
use rpc::Streaming;

/// Everything above, answered.
struct Everything;

impl hostile::service::Names for Everything {
    async fn r#type(&self, r#loop: u32, r#match: String) -> hostile::shadows::Result<String> {
        Ok(format!("{} {match}", r#loop))
    }
    async fn new(&self) -> hostile::shadows::Result<u32> {
        Ok(1)
    }
    async fn local(&self, service: u32) -> hostile::shadows::Result<u32> {
        Ok(service)
    }
    async fn payload(&self, channel: u32) -> hostile::shadows::Result<u32> {
        Ok(channel)
    }
    async fn from_channel(&self, from_channel: u32) -> hostile::shadows::Result<u32> {
        Ok(from_channel)
    }
    async fn call(&self, a: u32, b: u32, c: u32, d: u32, e: u32, f: u32) -> hostile::shadows::Result<u32> {
        Ok(a * 100_000 + b * 10_000 + c * 1000 + d * 100 + e * 10 + f)
    }
    async fn fmt(&self, formatter: u32) -> hostile::shadows::Result<u32> {
        Ok(formatter)
    }
    async fn descriptor(&self, arguments: u32, reply: u32) -> hostile::shadows::Result<u32> {
        Ok(arguments - reply)
    }
    async fn twice(&self) -> hostile::shadows::Result<u32> {
        Ok(2)
    }

    async fn service(&self, names: Streaming<u32>) -> hostile::shadows::Result<Streaming<u32>> {
        Ok(names)
    }
    async fn old(&self) -> hostile::shadows::Result<()> {
        Ok(())
    }
    async fn here(&self, key: String) -> hostile::shadows::Result<String> {
        Ok(key)
    }
    async fn either(&self) -> hostile::shadows::Result<u32> {
        Ok(2)
    }
    async fn must(&self) -> hostile::shadows::Result<u32> {
        Ok(3)
    }
}

#[tokio::test]
async fn every_name_reaches_its_method() {
    use hostile::service::{Names, NamesClient};
    let names = NamesClient::local(Everything);
    assert_eq!(names.r#type(1, "x".to_owned()).await.unwrap(), "1 x");
    assert_eq!(Names::new(&names).await.unwrap(), 1);
    assert_eq!(names.local(2).await.unwrap(), 2);
    assert_eq!(names.payload(3).await.unwrap(), 3);
    assert_eq!(names.from_channel(4).await.unwrap(), 4);
    assert_eq!(names.call(1, 2, 3, 4, 5, 6).await.unwrap(), 123_456);
    assert_eq!(names.twice().await.unwrap(), 2);
    assert_eq!(names.fmt(6).await.unwrap(), 6);
    assert_eq!(names.descriptor(9, 2).await.unwrap(), 7);
    let mut stream = names.service(Streaming::from_iter([8])).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), 8);
    assert_eq!(names.here("k".to_owned()).await.unwrap(), "k");
    assert_eq!(names.either().await.unwrap(), 2);
    assert_eq!(names.default(1, 2, 3, 4, 5, 6, 7, 8).await.unwrap(), 2);
    assert_eq!(names.must().await.unwrap(), 3);
    #[expect(deprecated)]
    names.old().await.unwrap();
}

#[test]
fn constants_are_called_as_their_methods() {
    use hostile::service::NamesClient;
    assert_eq!(NamesClient::TYPE.path, "/test.hygiene.v1.Names/Type");
    assert_eq!(NamesClient::SERVICE.name, "Service");
    let service = <NamesClient as rpc::Client>::SERVICE;
    assert_eq!(service.methods.len(), 15);
    assert!(service.methods.iter().all(|method| method.name != "Elsewhere"));
}

/// Calls what is seen from here.
mod places {
    use crate::hostile::places::inner::{self, Narrow};
    use rpc::{Status, rpc_service};

    /// A narrow one, seen from here.
    struct Quiet;

    impl inner::Narrow for Quiet {
        async fn say(&self) -> Result<(), Status> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_trait_in_a_function_and_one_for_this_module() {
        inner::NarrowClient::local(Quiet).say().await.unwrap();
        assert_eq!(inner::NarrowClient::SAY.path, "/Narrow/Say");

        #[rpc_service(package = "test", name = "Renamed")]
        trait InFunction {
            #[rpc(name = "Speak")]
            async fn say(&self) -> Result<u32, Status>;
        }

        struct Local;

        impl InFunction for Local {
            async fn say(&self) -> Result<u32, Status> {
                Ok(4)
            }
        }

        assert_eq!(InFunctionClient::local(Local).say().await.unwrap(), 4);
        assert_eq!(InFunctionClient::SAY.path, "/test.Renamed/Speak");
    }
}

#[tokio::test]
async fn a_trait_may_come_out_of_a_macro() {
    struct Wall;
    impl Echo for Wall {}
    assert_eq!(EchoClient::local(Wall).echo(3, 4).await.unwrap(), 3);
}
