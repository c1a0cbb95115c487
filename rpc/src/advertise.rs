//! The address under which others reach a server.

use crate::{Error, Result};
use futures_util::future::select_ok;
use rpc_core::{Address, registry::Registry};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tokio::net::UdpSocket;

/// The address to register: the one that was said, or the one that is listened on if others can use it, or, where all
/// interfaces are listened on, the one of this machine that leads to the registry.
///
/// # Errors
/// When it would be of no use to those who read it.
pub(crate) async fn address(bound: &Address, said: Option<&Address>, registry: &dyn Registry) -> Result<Address> {
    let address = match (said, bound) {
        // Port 0 was not known when it was said.
        (Some(Address::Tcp { host, port: 0 }), Address::Tcp { port, .. }) => Address::tcp(host.clone(), *port),
        (Some(said), _) => said.clone(),
        (None, Address::Tcp { host, port }) => match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => Address::tcp(own_ip(ip, registry).await?.to_string(), *port),
            _ => bound.clone(),
        },
        (None, bound) => bound.clone(),
    };
    if let Address::Tcp { host, .. } = &address
        && host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    {
        return Err(Error::configuration(format!(
            "{address} means every address of a machine, and nobody can call that"
        ))
        .with_remedy("say which: server.advertise = \"HOST:PORT\" (RPC_SERVER_ADVERTISE), or leave it out"));
    }
    if registry.is_remote() && address.is_loopback() {
        return Err(Error::configuration(format!(
            "other machines read the registry {}, and none of them can reach {address}",
            registry.url()
        ))
        .with_remedy(
            "listen on an address of this machine (server.listen = \"0.0.0.0:7000\"), or say under which others reach it (server.advertise = \"HOST:PORT\")",
        ));
    }
    Ok(address)
}

/// The address of this machine on the way to the registry.
async fn own_ip(unspecified: IpAddr, registry: &dyn Registry) -> Result<IpAddr> {
    if !registry.is_remote() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        return Ok(if unspecified.is_ipv4() { v4 } else { IpAddr::V6(Ipv6Addr::LOCALHOST) });
    }
    let url = registry.url();
    // All at once: one whose name leads nowhere says nothing about the others, and must not use up their time.
    let ways = hosts(&url).map(|host| Box::pin(async move { outward(&host).await }));
    in_time(async { select_ok(ways).await.map(|(ip, _)| ip) }).await.map_err(|error| {
        Error::new(format!("cannot tell which address of this machine leads to {url}"))
            .with_source(error)
            .with_remedy("say it: server.advertise = \"HOST:PORT\" (RPC_SERVER_ADVERTISE)")
    })
}

/// Long enough for a DNS server that is asked twice. What asks has no end of its own that could be relied on.
const LOOKUP: Duration = Duration::from_secs(10);

async fn in_time<T>(lookup: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("the DNS has not answered in {LOOKUP:?}"));
    tokio::time::timeout(LOOKUP, lookup).await.map_err(late)?
}

/// Connecting a UDP socket sends nothing; it only looks at the routes.
async fn outward(host: &str) -> io::Result<IpAddr> {
    let far = tokio::net::lookup_host(host).await?.next().ok_or(io::ErrorKind::NotFound)?;
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(far).await?;
    Ok(socket.local_addr()?.ip())
}

/// Each `host:port` of `scheme://host:port,host:port/path`.
fn hosts(url: &str) -> impl Iterator<Item = String> {
    let hosts = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    // A host without a port is enough to find the way.
    hosts.split(',').map(|host| if host.parse::<Address>().is_ok() { host.to_owned() } else { format!("{host}:1") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpc_core::{
        BoxFuture,
        registry::{Instance, Registration, RegistryError, ServiceName, Snapshot, Watch},
    };

    /// A registry of which only the place matters.
    struct At(&'static str);

    impl Registry for At {
        fn register(&self, _: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
            Box::pin(async { Err(RegistryError::new("not here")) })
        }

        fn watch(&self, _: &ServiceName) -> Watch {
            Watch::new(Snapshot::pending(), ()).1
        }

        fn url(&self) -> String {
            self.0.to_owned()
        }

        fn is_remote(&self) -> bool {
            self.0.starts_with("zookeeper")
        }
    }

    async fn of(bound: &str, said: Option<&str>, registry: &'static str) -> Result<String> {
        let said = said.map(|said| said.parse::<Address>().unwrap());
        address(&bound.parse().unwrap(), said.as_ref(), &At(registry)).await.map(|address| address.to_string())
    }

    #[tokio::test]
    async fn what_is_said_counts_and_the_port_is_filled_in() {
        assert_eq!(
            of("127.0.0.1:7000", Some("orders.internal:80"), "zookeeper://zk:1").await.unwrap(),
            "orders.internal:80"
        );
        assert_eq!(of("0.0.0.0:7000", Some("10.0.0.7:0"), "zookeeper://zk:1").await.unwrap(), "10.0.0.7:7000");
    }

    #[tokio::test]
    async fn here_everything_is_reached_through_loopback() {
        assert_eq!(of("0.0.0.0:7000", None, "file:///x").await.unwrap(), "127.0.0.1:7000");
        assert_eq!(of("[::]:7000", None, "file:///x").await.unwrap(), "[::1]:7000");
        assert_eq!(of("127.0.0.1:7000", None, "file:///x").await.unwrap(), "127.0.0.1:7000");
    }

    #[tokio::test]
    async fn an_address_that_others_cannot_reach_is_refused_with_the_way_out() {
        let error = of("127.0.0.1:7000", None, "zookeeper://10.0.0.1:2181/rpc").await.unwrap_err();
        assert!(format!("{error:?}").contains("server.advertise"), "{error:?}");
        let error = of("0.0.0.0:7000", Some("localhost:7000"), "zookeeper://10.0.0.1:2181/rpc").await.unwrap_err();
        assert!(error.to_string().contains("localhost:7000"), "{error}");
    }

    #[tokio::test]
    async fn all_addresses_are_none_and_a_socket_in_the_file_system_is_here() {
        let error = of("127.0.0.1:7000", Some("0.0.0.0:7000"), "file:///x").await.unwrap_err();
        assert!(error.to_string().contains("nobody can call"), "{error}");
        let error = of("unix:/run/orders.sock", None, "zookeeper://10.0.0.1:2181/rpc").await.unwrap_err();
        assert!(error.to_string().contains("unix:/run/orders.sock"), "{error}");
        assert_eq!(of("unix:/run/orders.sock", None, "file:///x").await.unwrap(), "unix:/run/orders.sock");
        assert_eq!(of("10.0.0.7:7000", None, "zookeeper://10.0.0.1:2181").await.unwrap(), "10.0.0.7:7000");
    }

    #[tokio::test]
    async fn of_all_interfaces_the_one_that_leads_to_the_registry_is_taken() {
        // The way to loopback is loopback, which is refused: that it was found is what counts.
        let error = of("0.0.0.0:7000", None, "zookeeper://127.0.0.1:2181/rpc").await.unwrap_err();
        assert!(error.to_string().contains("127.0.0.1:7000"), "{error}");
        let error = of("0.0.0.0:7000", None, "zookeeper://no.such.host.invalid:2181/rpc").await.unwrap_err();
        assert!(format!("{error:?}").contains("server.advertise"), "{error:?}");
        for hosts in ["no.such.host.invalid:2181,127.0.0.1:2181", "127.0.0.1,no.such.host.invalid"] {
            let url = format!("zookeeper://{hosts}/rpc").leak();
            let error = of("0.0.0.0:7000", None, url).await.unwrap_err();
            assert!(error.to_string().contains("127.0.0.1:7000"), "{hosts}: {error}");
        }
    }

    #[tokio::test]
    async fn another_spelling_of_loopback_is_no_address() {
        for said in ["127.1:7000", "2130706433:7000", "0:7000"] {
            assert!(said.parse::<Address>().is_err(), "{said}");
        }
        for said in ["LOCALHOST:7000", "orders.localhost:7000"] {
            let error = of("0.0.0.0:7000", Some(said), "zookeeper://10.0.0.1:2181/rpc").await.unwrap_err();
            assert!(error.to_string().contains("none of them can reach"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dns_that_does_not_answer_is_an_error() {
        let error = in_time(std::future::pending::<io::Result<IpAddr>>()).await.unwrap_err();
        assert!(error.to_string().contains("10s"), "{error}");
    }

    #[test]
    fn the_hosts_of_a_url() {
        let of = |url| hosts(url).collect::<Vec<_>>();
        assert_eq!(of("zookeeper://zk1:2181,zk2:2182/rpc"), ["zk1:2181", "zk2:2182"]);
        assert_eq!(of("zookeeper://zk1,zk2?assume=grpc"), ["zk1:1", "zk2:1"]);
        assert_eq!(of("zookeeper://[::1]:2181/rpc"), ["[::1]:2181"]);
    }
}
