//! The order service over a wire of one's own, on one port with gRPC and tarpc.

use crate::order::order;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use orders::{Kitchen, Orders, OrdersClient, OrdersServer, json_lines::json_lines, tally::Tally};
use rpc::{
    Address, App, Client, Config, Transports,
    registry::{Memory, Registry},
};
use rpc_testkit::scratch;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

fn app(registry: &Memory, transport: Transports) -> App {
    let mut config = Config::default();
    config.server.listen = Some(Address::tcp("127.0.0.1", 0));
    config.client.transport = Some(transport);
    App::builder().transport(Arc::new(json_lines())).config(config).registry(Arc::new(registry.clone())).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_of_ones_own_stands_beside_grpc_and_tarpc_and_is_found() {
    let (registry, folder) = (Memory::new(), scratch("json-lines").unwrap());
    let kitchen = Kitchen::open(folder.path(), "one", Duration::from_millis(10)).unwrap();
    let server = app(&registry, Transports::Auto).server().service(OrdersServer::new(kitchen)).start().await.unwrap();

    let mut watch = registry.watch(&OrdersClient::SERVICE.name.parse().unwrap());
    let list = watch.known().await;
    let endpoints = &list.instances[0].endpoints;
    let protocols: Vec<_> = endpoints.iter().map(|endpoint| endpoint.protocol.as_str()).collect();
    assert_eq!(protocols, ["grpc", "tarpc/1", "json-lines/1"]);
    assert!(endpoints.iter().all(|endpoint| endpoint.address == *server.address()), "more than one port");

    for (index, name) in ["grpc", "tarpc", "json-lines"].into_iter().enumerate() {
        let orders: OrdersClient = app(&registry, Transports::Only(name)).client().await.unwrap();
        let number = format!("BD-{index}");
        assert_eq!(orders.place(order(&number)).await.unwrap().total, 14_000);
        assert_eq!(orders.find(number.clone()).await.unwrap(), order(&number));
        assert!(orders.find("BD-9".to_owned()).await.unwrap_err().to_string().contains("BD-9"), "{name}");
        let file = rpc::Streaming::from_iter((0..100).map(move |line| order(&format!("{number}-{line}"))));
        assert_eq!(orders.import(file).await.unwrap().placed, 100, "{name}");
        let mut stages = orders.follow(format!("BD-{index}")).await.unwrap();
        stages.next().await.unwrap().unwrap();
        let counted = Tally::read(folder.path(), "one").unwrap();
        assert!(counted.get(name).is_some_and(|calls| *calls > 0), "{counted:?}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_write_a_call_and_read_the_answer() {
    let (registry, folder) = (Memory::new(), scratch("json-lines").unwrap());
    let kitchen = Kitchen::open(folder.path(), "one", Duration::from_millis(10)).unwrap();
    let server = app(&registry, Transports::Auto).server().service(OrdersServer::new(kitchen)).start().await.unwrap();

    let mut stream = BufReader::new(TcpStream::connect(server.address().to_string()).await.unwrap());
    let find = BASE64.encode(b"\x0a\x04BD-9");
    let lines = [
        json!({ "@frame": "hello", "version": 1, "max_message": 65536, "max_calls": 1, "items": 16, "bytes": 65536 }),
        json!({ "@frame": "something that a later version says" }),
        json!({ "@frame": "call", "id": 7, "path": "/baedal.orders.v1.Orders/Find", "message": find }),
    ];
    for line in lines {
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
    let mut answer = async || {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let hello = answer().await;
    assert_eq!((&hello["@frame"], &hello["version"]), (&json!("hello"), &json!(1)), "{hello}");
    let failed = answer().await;
    assert_eq!(
        (&failed["@frame"], &failed["id"], &failed["code"]),
        (&json!("failed"), &json!(7), &json!(5)),
        "{failed}"
    );
    assert!(failed["details"][0][0].as_str().unwrap().ends_with("OrderError.NotFound"), "{failed}");
    server.shutdown().await;
}
