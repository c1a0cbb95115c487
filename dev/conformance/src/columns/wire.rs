//! A server behind a port, and a proxy before it.

use super::{Column, FirstAttempt, Plan, Site, Speech, dead::Dead};
use crate::{
    lab::{LabClient, LabServer},
    raw::Babble,
};
use rpc::{Address, Client};
use rpc_core::{
    BoxFuture, Layers,
    client::{Channel, ChannelBuilder},
    observer::Counters,
    registry::{Availability, Endpoint, Instance, ServiceName, Snapshot, Source, Watch},
    server::{Admission, Running, Server},
    tls::{Encryption, Security, TlsAcceptor},
    transport::Transport,
};
use rpc_testkit::{Ca, FaultProxy, Issued};
use rpc_tls::{ClientTls, Pem, ServerTls};
use std::sync::Arc;

/// A server that speaks one protocol on a TCP port.
#[derive(Clone)]
pub struct Wire {
    name: &'static str,
    transport: Arc<dyn Transport>,
    tls: Option<Tls>,
}

/// Both ends of TLS, with a CA of their own.
#[derive(Clone)]
pub struct Tls {
    /// The server's.
    pub acceptor: Arc<dyn TlsAcceptor>,
    /// The client's.
    pub encryption: Encryption,
}

impl Tls {
    /// Between a server at 127.0.0.1 that speaks these protocols and those who trust it.
    pub fn new(wires: &[Arc<dyn Transport>]) -> Self {
        let ca = Ca::new();
        let Issued { certificate, key } = ca.issue(&["127.0.0.1"]);
        let server = ServerTls::new(Pem::Text(certificate.into()), Pem::Text(key.into()));
        let alpn = wires.iter().filter_map(|wire| wire.alpn());
        let acceptor = server.acceptor(alpn).expect("a certificate and its key");
        let connector = ClientTls::new(Pem::Text(ca.pem().into())).connector().expect("a CA");
        Self { acceptor, encryption: Encryption::Tls { connector, server_name: None } }
    }
}

/// What lies between a client and its server.
#[derive(Debug)]
pub struct Line {
    /// Every connection passes here.
    pub proxy: FaultProxy,
    /// The server; a scenario may take it away to end it.
    pub server: Option<Running>,
    /// Where the server itself listens, behind the proxy.
    pub address: Address,
    /// What the client's stack did.
    pub counters: Arc<Counters>,
}

impl Wire {
    /// With the name that stands in the table.
    pub fn new(name: &'static str, transport: Arc<dyn Transport>) -> Self {
        Self { name, transport, tls: None }
    }

    /// The same over TLS.
    pub fn encrypted(name: &'static str, transport: Arc<dyn Transport>) -> Self {
        let tls = Some(Tls::new(std::slice::from_ref(&transport)));
        Self { name, transport, tls }
    }

    async fn build(&self, plan: Plan) -> Site {
        let id = Instance::random_id();
        let server = Server::new().transport(self.transport.clone()).limits(plan.limits).instance(id.clone());
        // A machine that runs tests is an overloaded one; what follows from that is seen in `tests/overload.rs`.
        let server = server.admission(Admission::Off);
        let (server, encryption) = match &self.tls {
            Some(tls) => (server.tls(tls.acceptor.clone()), tls.encryption.clone()),
            None => (server, Encryption::Off),
        };
        let server = match plan.speech {
            Speech::Messages => server.service(LabServer::new(plan.bench.clone())),
            Speech::Babble => server.service(Babble(LabClient::SERVICE)),
        };
        let server = server.and_then(|server| server.service(plan.raw.clone())).expect("two services of two names");
        let server = server.bind(&Address::tcp("127.0.0.1", 0)).await.expect("a port");
        let address = server.address().clone();
        let proxy = FaultProxy::start(&address).expect("a port");
        // Before there is a client: it connects as soon as it is made.
        proxy.set(plan.mode.clone()).await;
        let counters = Arc::new(Counters::default());
        let others = plan.others.iter().map(|address| (Instance::random_id(), address.clone()));
        let instances: Vec<_> = std::iter::once((id, proxy.address().into())).chain(others).collect();
        let transport = self.transport.clone();
        let channel = over(transport, encryption, LabClient::SERVICE.name, &instances, counters.clone());
        let layers = match plan.first {
            FirstAttempt::Sent => Layers::default(),
            FirstAttempt::FindsADeadConnection => Layers::default().and(Dead::default()),
        };
        let channel = channel.limits(plan.limits).layers_per_attempt(layers).build();
        // One channel for both, and so one connection: its name is that of the service whose servers are looked for,
        // and those of the other are the same.
        let (lab, raw) = (LabClient::from_channel(channel.clone()), channel);
        Site { lab, raw, plan, line: Some(Line { proxy, server: Some(server), address, counters }) }
    }
}

impl Column for Wire {
    fn name(&self) -> &'static str {
        self.name
    }

    fn transport(&self) -> &'static str {
        self.transport.name()
    }

    fn security(&self) -> Security {
        if self.tls.is_some() { Security::Tls } else { Security::Plain }
    }

    fn open(&self, plan: Plan) -> BoxFuture<'_, Site> {
        Box::pin(self.build(plan))
    }
}

/// The beginning of a channel to instances at fixed addresses.
pub fn channel(
    transport: Arc<dyn Transport>,
    service: &str,
    instances: &[(String, Address)],
    counters: Arc<Counters>,
) -> ChannelBuilder {
    over(transport, Encryption::Off, service, instances, counters)
}

fn over(
    transport: Arc<dyn Transport>,
    encryption: Encryption,
    service: &str,
    instances: &[(String, Address)],
    counters: Arc<Counters>,
) -> ChannelBuilder {
    let service: ServiceName = service.parse().expect("a name of a service");
    let instance = |(id, address): &(String, Address)| {
        let mut endpoint = Endpoint::new(transport.protocol(), address.clone());
        endpoint.tls = encryption.security() == Security::Tls;
        Arc::new(Instance::new(id, vec![service.clone()], vec![endpoint]))
    };
    let instances = instances.iter().map(instance).collect();
    let (_, watch) = Watch::new(Snapshot::new(instances, Availability::Listed, Source::Fixed), ());
    Channel::builder(service, watch).transport(transport).encryption(encryption).observer(counters)
}
