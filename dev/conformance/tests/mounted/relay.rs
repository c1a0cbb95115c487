//! Gateways: what the server behind one has not begun, the gateway has.

use super::{
    HELLO,
    greeter::{Greeter, GreeterClient, GreeterServer, note},
};
use bytes::Bytes;
use rpc::{Address, Code, Delivery, Mounted};
use rpc_conformance::{
    columns,
    lab::{Bench, LabServer},
};
use rpc_core::{
    Body, Payload, Tasks,
    server::{Admission, NamedService, Running, Server},
};
use rpc_grpc::Grpc;
use std::sync::{Arc, atomic::Ordering};
use tokio::net::TcpListener;
use tonic::codegen::{Service, http};

async fn serve(id: &str, service: impl NamedService) -> Running {
    let server = Server::new().transport(Arc::new(Grpc::default())).admission(Admission::Off).instance(id);
    server.service(service).unwrap().bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
}

/// A server of somebody else's: tonic's service on HTTP/2, and nothing of this framework. Its answers are failures.
async fn foreign(service: GreeterServer<Greeter>, tasks: &Tasks) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().into();
    let tasks_of_calls = tasks.handle();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, tasks) = (service.clone(), tasks_of_calls.clone());
            tasks_of_calls.spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tasks.spawn(answer(service.clone(), request, respond));
                }
            });
        }
    });
    address
}

async fn answer(
    mut service: GreeterServer<Greeter>,
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        bytes.extend_from_slice(&data.unwrap());
    }
    // A body that is there already. It happens to be text.
    let body = String::from_utf8(bytes).unwrap();
    let answer = service.call(http::Request::from_parts(head, body)).await.unwrap();
    assert!(answer.headers().contains_key("grpc-status"), "{answer:?}");
    let (head, _) = answer.into_parts();
    respond.send_response(http::Response::from_parts(head, ()), true).unwrap();
}

#[tokio::test]
async fn a_call_that_a_gateway_has_begun_is_not_made_again_for_what_the_next_server_says() {
    // It has nobody who greets: it begins nothing, and says so.
    let next = serve("next", LabServer::new(Bench::default())).await;
    let next = GreeterClient::connect(format!("http://{}", next.address())).await.map(|client| (client, next)).unwrap();
    let greeter = Greeter::relaying_to(next.0);
    let tasks = Tasks::owner();
    let theirs = foreign(GreeterServer::new(greeter.clone()), &tasks).await;
    let ours = serve("gateway", Mounted::new(GreeterServer::new(greeter.clone()))).await;
    let copies = [(&theirs, 0), (&theirs, 1), (ours.address(), 0), (ours.address(), 1)];
    for (count, (gateway, copies)) in copies.into_iter().enumerate() {
        let gateway = [("gateway".to_owned(), gateway.clone())];
        let channel = columns::channel(Arc::new(Grpc::default()), "greet.v1.Greeter", &gateway, Arc::default()).build();
        let error = channel.call(&HELLO, Body::Message(Payload::typed(note("relay", copies))), None).await.unwrap_err();
        assert!(matches!(error.code(), Code::Unimplemented | Code::Unavailable), "{error:?}");
        assert_eq!(error.delivery(), Delivery::Unknown, "{error:?}");
        assert_eq!(greeter.begun.load(Ordering::Relaxed), count + 1, "it was made again: {error:?}");
    }
}
