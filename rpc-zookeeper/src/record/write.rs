//! The record of an instance, as it is written.

use super::{MAX_BYTES, OurEndpoint, OurStatus, Ours};
use crate::policy::{Reach, objection};
use rpc_core::{
    Address,
    registry::{Instance, InstanceStatus, RegistryError, ServiceName},
};
use serde::Serialize;
use std::{sync::Arc, time::SystemTime};

/// Where an instance's records stand and what they say.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The name of every node, under its service.
    pub(crate) id: String,
    /// What only the writer knows; see [`super::nonce`].
    pub(crate) nonce: String,
    /// One node per service.
    pub(crate) nodes: Vec<Node>,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) parent: String,
    pub(crate) path: String,
    pub(crate) data: Arc<[u8]>,
}

/// Curator's bean, in the order in which its serialiser writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Curator<'a> {
    name: &'a str,
    id: &'a str,
    address: &'a str,
    port: Option<u16>,
    ssl_port: Option<u16>,
    payload: (),
    #[serde(rename = "registrationTimeUTC")]
    registration_time_utc: u64,
    service_type: &'static str,
    uri_spec: (),
    /// Left out when true, as Curator does: old readers stumble over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(rename = "x-rpc")]
    ours: &'a Ours,
}

impl Record {
    /// The record of an instance under a base path.
    ///
    /// # Errors
    /// An instance that has no place in this registry, with the reason and the remedy.
    pub(crate) fn new(instance: &Instance, base: &str, reach: Reach) -> Result<Self, RegistryError> {
        let wrong =
            |what: String| RegistryError::new(format!("instance `{}` cannot be registered: {what}", instance.id));
        if !is_node_name(&instance.id) {
            return Err(wrong("its id is not 1 to 128 letters, digits, `-`, `_`, `.` or `:`".into()));
        }
        if instance.services.is_empty() {
            return Err(wrong("it offers no service".into()));
        }
        for endpoint in instance.endpoints.iter().filter(|endpoint| matches!(endpoint.address, Address::Tcp { .. })) {
            if let Some(reason) = objection(&endpoint.address, reach) {
                let address = &endpoint.address;
                return Err(wrong(format!("{address} {reason}; advertise an address that others can reach")));
            }
        }
        // A socket in the file system says nothing to another machine.
        let endpoints: Vec<_> = instance.endpoints.iter().filter_map(our_endpoint).collect();
        if endpoints.is_empty() {
            return Err(wrong("it listens on no network address; let it listen on HOST:PORT".into()));
        }
        let ours = Ours {
            nonce: format!("{:032x}", fastrand::u128(..)),
            endpoints,
            zone: instance.zone.clone(),
            version: instance.version.clone(),
            weight: instance.weight.min(Instance::MAX_WEIGHT),
            status: if instance.status == InstanceStatus::Up { OurStatus::Up } else { OurStatus::Down },
            extra: instance.extra.clone(),
        };
        let registered_at = if instance.registered_at == 0 { now() } else { instance.registered_at };
        let mut services = instance.services.clone();
        services.sort_unstable();
        services.dedup();
        let nodes = services
            .iter()
            .map(|service| {
                let data = encode(service, &instance.id, registered_at, &ours)
                    .map_err(|error| wrong("it cannot be written as JSON".into()).with_source(error))?;
                if data.len() > MAX_BYTES {
                    return Err(wrong(format!("its record of {} bytes exceeds {MAX_BYTES}", data.len())));
                }
                let parent = format!("{base}/{service}");
                Ok(Node { path: format!("{parent}/{}", instance.id), parent, data: data.into() })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { id: instance.id.clone(), nonce: ours.nonce, nodes })
    }
}

fn encode(service: &ServiceName, id: &str, registered_at: u64, ours: &Ours) -> Result<Vec<u8>, serde_json::Error> {
    let address = ours.endpoints.first().map_or("", |endpoint| &endpoint.address);
    // Curator has one host with one plain and one TLS port.
    let port = |tls| ours.endpoints.iter().find(|it| it.tls == tls && it.address == address).map(|it| it.port);
    serde_json::to_vec(&Curator {
        name: service.as_str(),
        id,
        address,
        port: port(false),
        ssl_port: port(true),
        payload: (),
        registration_time_utc: registered_at,
        service_type: "DYNAMIC",
        uri_spec: (),
        enabled: (ours.status == OurStatus::Down).then_some(false),
        ours,
    })
}

fn our_endpoint(endpoint: &rpc_core::registry::Endpoint) -> Option<OurEndpoint> {
    match &endpoint.address {
        Address::Tcp { host, port } => Some(OurEndpoint {
            protocol: endpoint.protocol.clone(),
            address: host.clone(),
            port: *port,
            tls: endpoint.tls,
        }),
        _ => None,
    }
}

fn is_node_name(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && !matches!(id, "." | "..")
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpc_core::registry::Endpoint;

    fn instance() -> Instance {
        let endpoints = vec![
            Endpoint::new("tarpc/1", Address::tcp("10.0.0.7", 7000)),
            Endpoint::new("grpc", Address::tcp("10.0.0.7", 7000)),
        ];
        let services = vec!["baedal.orders.v1.Orders".parse().unwrap()];
        let mut instance = Instance::new("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", services, endpoints);
        instance.registered_at = 1_700_000_000_000;
        instance
    }

    fn text(record: &Record) -> String {
        String::from_utf8(record.nodes[0].data.to_vec()).unwrap()
    }

    #[test]
    fn a_record_is_curators_to_the_byte() {
        let record = Record::new(&instance(), "/rpc", Reach::Network).unwrap();
        assert_eq!(record.nodes[0].parent, "/rpc/baedal.orders.v1.Orders");
        assert_eq!(record.nodes[0].path, "/rpc/baedal.orders.v1.Orders/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
        let expected = concat!(
            r#"{"name":"baedal.orders.v1.Orders","id":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee","address":"10.0.0.7","#,
            r#""port":7000,"sslPort":null,"payload":null,"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","#,
            r#""uriSpec":null,"x-rpc":{"nonce":"NONCE","endpoints":[{"protocol":"tarpc/1","address":"10.0.0.7","#,
            r#""port":7000,"tls":false},{"protocol":"grpc","address":"10.0.0.7","port":7000,"tls":false}],"#,
            r#""weight":100,"status":"up"}}"#,
        );
        assert_eq!(text(&record), expected.replace("NONCE", &record.nonce));
    }

    #[test]
    fn the_rest_is_written_when_it_is_there() {
        let mut instance = instance();
        instance.endpoints[0].tls = true;
        instance.endpoints[0].address = Address::tcp("10.0.0.7", 7443);
        instance.endpoints.push(Endpoint::new("grpc", "unix:/run/orders.sock".parse().unwrap()));
        instance.zone = Some("icn-a".into());
        instance.version = Some("1.2.3".into());
        instance.weight = u32::MAX;
        instance.status = InstanceStatus::Down;
        instance.extra.insert("rack".into(), "17".into());
        let text = text(&Record::new(&instance, "/rpc", Reach::Network).unwrap());
        assert!(text.contains(r#""port":7000,"sslPort":7443,"payload":null"#), "{text}");
        assert!(text.contains(r#""uriSpec":null,"enabled":false,"x-rpc""#), "{text}");
        let rest = r#""zone":"icn-a","version":"1.2.3","weight":10000,"status":"down","extra":{"rack":"17"}}}"#;
        assert!(text.ends_with(rest), "{text}");
        assert!(!text.contains("orders.sock"), "{text}");
    }

    #[test]
    fn what_cannot_be_registered_is_refused_with_the_reason() {
        let refusal = |change: fn(&mut Instance)| {
            let mut instance = instance();
            change(&mut instance);
            Record::new(&instance, "/rpc", Reach::Network).unwrap_err().to_string()
        };
        for (error, says) in [
            (refusal(|it| it.id = "a/b".into()), "its id is not"),
            (refusal(|it| it.id = "..".into()), "its id is not"),
            (refusal(|it| it.services.clear()), "no service"),
            (refusal(|it| it.endpoints.clear()), "no network address"),
            (refusal(|it| it.endpoints[1].address = Address::tcp("127.0.0.1", 1)), "loopback"),
            (refusal(|it| it.endpoints[1].address = Address::tcp("0.0.0.0", 1)), "every address"),
            (refusal(|it| drop(it.extra.insert("x".into(), "y".repeat(70_000)))), "exceeds 65536"),
        ] {
            assert!(error.contains(says), "{error}");
        }
    }
}
