//! What people bring themselves, a layer, a transport and a registry, written with nothing of this project but what
//! this crate exports.

use crate::common::{Echo, EchoClient, EchoServer, Mirror};
use rpc::{
    App, Body, BoxFuture, BoxService, Client, Code, Context, Idempotency, Io, Kind, Layer, Origin, Payload,
    PayloadStream, Peer, Request, Response, Security, Service, Status, Tasks,
    registry::{
        Availability, Instance, Publisher, Registrar, Registration, RegistrationState, Registry, RegistryError,
        ServiceName, Snapshot, Source, Watch,
    },
    transport::{ConnectTarget, Connection, ConnectionInfo, ConnectionState, Drain, Recognition, Routes, Transport},
};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};

/// Answers unary calls that may be made twice from what was answered before.
#[derive(Clone, Default)]
struct Remembers(Arc<Mutex<Option<Payload>>>);

struct Memo {
    answer: Arc<Mutex<Option<Payload>>>,
    inner: BoxService,
}

impl Layer<BoxService> for Remembers {
    type Service = Memo;

    fn layer(&self, inner: BoxService) -> Memo {
        Memo { answer: self.0.clone(), inner }
    }
}

impl Service for Memo {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        if request.method.kind != Kind::Unary || request.method.idempotency != Idempotency::Idempotent {
            return self.inner.call(request).await;
        }
        if let Some(answer) = self.answer.lock().unwrap().clone() {
            return Ok(Response::new(Body::Message(answer)));
        }
        let response = self.inner.call(request).await?;
        if let Body::Message(answer) = &response.body {
            *self.answer.lock().unwrap() = Some(answer.clone());
        }
        Ok(response)
    }
}

/// A wire for one unary call after the other: texts and messages, each behind its length.
struct Letters;

const MAGIC: &[u8] = b"LETTERS\n";

impl Transport for Letters {
    fn name(&self) -> &'static str {
        "letters"
    }

    fn preference(&self) -> u8 {
        u8::MAX
    }

    fn recognises(&self, first: &[u8]) -> Recognition {
        Recognition::by_prefix(first, MAGIC)
    }

    fn connect(&self, mut io: Io, target: ConnectTarget, _: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
        Box::pin(async move {
            assert_eq!(target.security, Security::Plain);
            io.write_all(MAGIC).await.map_err(|error| Status::unavailable("no letters").with_source(error))?;
            let (open, state) = watch::channel(ConnectionState::Open);
            let service = Writer { io: tokio::sync::Mutex::new(io), _open: open }.boxed();
            Ok(Connection { service, state, places: Arc::default() })
        })
    }

    fn serve(&self, mut io: Io, info: ConnectionInfo, routes: Routes, _: Tasks, _: Drain) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut magic = [0; MAGIC.len()];
            let mut come = io.read_exact(&mut magic).await.map(drop);
            while come.is_ok() {
                come = answer(&mut io, &info, &routes).await;
            }
        })
    }
}

/// The client's end.
struct Writer {
    io: tokio::sync::Mutex<Io>,
    _open: watch::Sender<ConnectionState>,
}

impl Service for Writer {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let message = request.body.into_message()?.into_bytes();
        let exchange = async {
            let mut io = self.io.lock().await;
            send(&mut io, request.method.path.as_bytes()).await?;
            send(&mut io, &message).await?;
            let code = io.read_u8().await?;
            Ok::<_, io::Error>((code, receive(&mut io).await?))
        };
        let lost = |error| Status::unavailable("the line is gone").with_source(error);
        match exchange.await.map_err(lost)? {
            (0, message) => Ok(Response::new(Body::Message(Payload::Encoded(message.into())))),
            (code, reason) => {
                let code = Code::from_number(code).unwrap_or(Code::Unknown);
                Err(Status::new(code, String::from_utf8_lossy(&reason).into_owned()).received_from_peer())
            }
        }
    }
}

async fn answer(io: &mut Io, info: &ConnectionInfo, routes: &Routes) -> io::Result<()> {
    let (path, message) = (receive(io).await?, receive(io).await?);
    let reply = async {
        let context = Context::default().with_peer(Peer::new("letters", info.peer.clone()));
        let request = Request::new(routes.method(path)?, context, Body::Message(Payload::Encoded(message.into())));
        routes.service.call(request).await?.body.into_message()
    };
    let (code, text) = match reply.await {
        Ok(message) => (0, message.into_bytes().to_vec()),
        Err(status) => (status.code().number(), status.message().as_bytes().to_vec()),
    };
    io.write_u8(code).await?;
    send(io, &text).await
}

async fn send(io: &mut Io, bytes: &[u8]) -> io::Result<()> {
    io.write_u32(bytes.len() as u32).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

async fn receive(io: &mut Io) -> io::Result<Vec<u8>> {
    let length = io.read_u32().await?;
    let mut bytes = Vec::new();
    io.take(length.into()).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// A list with one server on it.
#[derive(Default)]
struct Board {
    listed: Mutex<Vec<Arc<Instance>>>,
    readers: Mutex<Vec<Publisher>>,
    kept: Mutex<Vec<Registrar>>,
}

impl Board {
    fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.listed.lock().unwrap().clone(), Availability::Listed, Source::Live)
    }
}

impl Registry for Board {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async move {
            let (registrar, registration) = Registration::new();
            self.listed.lock().unwrap().push(Arc::new(instance));
            for reader in &*self.readers.lock().unwrap() {
                reader.publish(self.snapshot());
            }
            registrar.set(RegistrationState::Registered);
            self.kept.lock().unwrap().push(registrar);
            Ok(registration)
        })
    }

    fn watch(&self, _: &ServiceName) -> Watch {
        let (publisher, watch) = Watch::new(self.snapshot(), ());
        self.readers.lock().unwrap().push(publisher);
        watch
    }

    fn url(&self) -> String {
        "board://".to_owned()
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_layer_a_transport_and_a_registry_name_nothing_but_this_crate() {
    let memo = Remembers::default();
    let app = App::builder()
        .transport(Arc::new(Letters))
        .registry(Arc::new(Board::default()))
        .client_layer(memo.clone())
        .build();
    let _running = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let client: EchoClient = app.client().await.unwrap();
    assert_eq!(client.write("a".to_owned()).await.unwrap(), "a over letters");
    assert_eq!(client.say("b".to_owned()).await.unwrap(), "b over letters");
    assert_eq!(client.say("c".to_owned()).await.unwrap(), "b over letters", "as remembered");

    let stream = PayloadStream::new(futures_util::stream::empty());
    *memo.0.lock().unwrap() = None;
    assert!(Body::Stream(stream).into_message().is_err());
    let elsewhere = app.client::<EchoClient>().await.unwrap().with_service(EchoClient::SERVICE.named("t.v1.Nobody"));
    let status = elsewhere.say("d".to_owned()).await.unwrap_err();
    assert_eq!((status.code(), status.origin()), (Code::Unimplemented, Origin::Remote));
}
