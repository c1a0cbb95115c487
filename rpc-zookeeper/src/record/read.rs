//! The record of an instance, as it is read: whatever anybody may have written.

use super::{MAX_BYTES, MAX_ENDPOINTS, MAX_EXTRA, MAX_TEXT, OurStatus, Ours};
use crate::policy::{Reach, objection};
use rpc_core::{
    Address,
    registry::{Endpoint, Identity, Instance, InstanceStatus, ServiceName},
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What no record says and whoever reads it has to know.
#[derive(Clone, Debug)]
pub(crate) struct Assumptions {
    pub(crate) reach: Reach,
    /// What is spoken where a record declares no protocol. Without one, such a server is known and cannot be called.
    pub(crate) protocols: Arc<[String]>,
}

/// Why a record is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    TooLarge(usize),
    NotJson(String),
    NotOurs(&'static str),
    Address(String, &'static str),
    Field(&'static str),
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(f, "it has {bytes} bytes, more than {MAX_BYTES}"),
            Self::NotJson(error) => write!(f, "it is no JSON object: {error}"),
            Self::NotOurs(field) => write!(f, "its `{field}` is not that of its node"),
            Self::Address(address, reason) => write!(f, "its address {address} {reason}"),
            Self::Field(field) => write!(f, "its `{field}` is of the wrong kind or too long"),
        }
    }
}

/// Reads the record of the node `node` of a service.
///
/// A record without our field is an instance all the same, of somebody else's making: it says what is spoken where only
/// if it follows a convention (Spring's `gRPC_port`); otherwise the protocols that are assumed are spoken at its `port`
/// and, over TLS, at its `sslPort`.
pub(crate) fn read(
    data: &[u8],
    service: &ServiceName,
    node: &str,
    assumptions: &Assumptions,
) -> Result<Instance, Objection> {
    let record = parse(data)?;
    if text(&record, "name")?.is_some_and(|name| name != service.as_str()) {
        return Err(Objection::NotOurs("name"));
    }
    if text(&record, "id")?.is_some_and(|id| !is_node_of(id, node)) {
        return Err(Objection::NotOurs("id"));
    }
    let mut instance = Instance::new(node, vec![service.clone()], Vec::new());
    instance.registered_at = record.get("registrationTimeUTC").and_then(Value::as_u64).unwrap_or_default();
    match record.get("x-rpc") {
        None | Some(Value::Null) => read_theirs(&record, &mut instance, assumptions)?,
        Some(ours) => {
            let ours: Ours = serde::Deserialize::deserialize(ours).map_err(|_| Objection::Field("x-rpc"))?;
            read_ours(ours, &mut instance, assumptions.reach)?;
        }
    }
    if record.get("enabled").and_then(Value::as_bool) == Some(false) {
        instance.status = InstanceStatus::Down;
    }
    Ok(instance)
}

/// What proves that a record is ours: the nonce in it, if it has one.
pub(crate) fn nonce(data: &[u8]) -> Option<String> {
    let record = parse(data).ok()?;
    Some(record.get("x-rpc")?.get("nonce")?.as_str()?.to_owned())
}

/// A recursion deeper than 128 is an error of the parser; together with the size that bounds what a record costs.
fn parse(data: &[u8]) -> Result<Map<String, Value>, Objection> {
    if data.len() > MAX_BYTES {
        return Err(Objection::TooLarge(data.len()));
    }
    serde_json::from_slice(data).map_err(|error| Objection::NotJson(error.to_string()))
}

fn read_ours(ours: Ours, instance: &mut Instance, reach: Reach) -> Result<(), Objection> {
    if ours.endpoints.len() > MAX_ENDPOINTS {
        return Err(Objection::Field("endpoints"));
    }
    for endpoint in ours.endpoints {
        if endpoint.protocol.len() > MAX_TEXT || !endpoint.protocol.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Objection::Field("protocol"));
        }
        let mut read = Endpoint::new(endpoint.protocol, address(&endpoint.address, endpoint.port, reach)?);
        read.tls = endpoint.tls;
        instance.endpoints.push(read);
    }
    instance.zone = ours.zone.filter(|zone| zone.len() <= MAX_TEXT);
    instance.version = ours.version.filter(|version| version.len() <= MAX_TEXT);
    instance.weight = ours.weight.min(Instance::MAX_WEIGHT);
    instance.status = if ours.status == OurStatus::Up { InstanceStatus::Up } else { InstanceStatus::Down };
    instance.extra = ours.extra.into_iter().filter(|(key, value)| is_short(key, value)).take(MAX_EXTRA).collect();
    Ok(())
}

fn read_theirs(
    record: &Map<String, Value>,
    instance: &mut Instance,
    assumptions: &Assumptions,
) -> Result<(), Objection> {
    // Whoever wrote the record chose its id; the server may not know it.
    instance.identity = Identity::Foreign;
    instance.extra = metadata(record);
    // Spring's `instance_status`: anything but UP takes no traffic.
    if instance.extra.get("instance_status").is_some_and(|status| status != "UP") {
        instance.status = InstanceStatus::Down;
    }
    let Some(host) = text(record, "address")? else { return Ok(()) };
    let mut assumed = Vec::new();
    for (field, tls) in [("port", false), ("sslPort", true)] {
        let Some(port) = port(record, field)? else { continue };
        let address = address(host, port, assumptions.reach)?;
        assumed.extend(assumptions.protocols.iter().map(|protocol| {
            let mut endpoint = Endpoint::new(protocol, address.clone());
            endpoint.tls = tls;
            endpoint
        }));
    }
    // What grpc-spring and others write beside the port of HTTP: that one says what it is, so nothing is assumed.
    let grpc_port = instance.extra.get("gRPC_port").or_else(|| instance.extra.get("gRPC.port"));
    instance.endpoints = match grpc_port.and_then(|port| port.parse().ok()) {
        Some(port) => vec![Endpoint::new("grpc", address(host, port, assumptions.reach)?)],
        None => assumed,
    };
    Ok(())
}

/// The texts in `payload.metadata`. The class that a payload names is nothing to us.
fn metadata(record: &Map<String, Value>) -> BTreeMap<String, String> {
    let metadata = record.get("payload").and_then(|payload| payload.get("metadata")).and_then(Value::as_object);
    metadata
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| *key != "@class" && is_short(key, value))
        .take(MAX_EXTRA)
        .map(|(key, value)| (key.clone(), value.to_owned()))
        .collect()
}

fn address(host: &str, port: u16, reach: Reach) -> Result<Address, Objection> {
    // By way of the text form, which accepts IP addresses and host names and nothing else.
    let written = Address::tcp(host, port).to_string();
    let shown = || written.chars().take(100).collect();
    let address: Address = written.parse().map_err(|_| Objection::Address(shown(), "is none"))?;
    match objection(&address, reach) {
        Some(reason) => Err(Objection::Address(shown(), reason)),
        None => Ok(address),
    }
}

/// Curator appends ten digits to the name of a node of the kind `DYNAMIC_SEQUENTIAL`.
fn is_node_of(id: &str, node: &str) -> bool {
    match node.strip_prefix(id) {
        Some("") => true,
        Some(rest) => rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit()),
        None => false,
    }
}

fn text<'a>(record: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, Objection> {
    match record.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_TEXT => Ok(Some(text)),
        Some(_) => Err(Objection::Field(field)),
    }
}

fn port(record: &Map<String, Value>, field: &'static str) -> Result<Option<u16>, Objection> {
    match record.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_u64().and_then(|port| u16::try_from(port).ok()).map(Some).ok_or(Objection::Field(field))
        }
    }
}

fn is_short(key: &str, value: &str) -> bool {
    key.len() <= MAX_TEXT && value.len() <= MAX_TEXT
}

#[cfg(test)]
mod tests {
    use super::{super::Record, *};
    use proptest::prelude::*;

    const NODE: &str = "11111111-2222-3333-4444-555555555555";

    fn service() -> ServiceName {
        "demo.Echo".parse().unwrap()
    }

    fn assuming(protocols: &[&str]) -> Assumptions {
        let protocols = protocols.iter().map(|protocol| (*protocol).to_owned()).collect();
        Assumptions { reach: Reach::Network, protocols }
    }

    fn parsed(json: &str) -> Result<Instance, Objection> {
        read(json.as_bytes(), &service(), NODE, &assuming(&[]))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut instance = Instance::new(
            NODE,
            vec![service()],
            vec![
                Endpoint::new("tarpc/1", Address::tcp("10.0.0.7", 7000)),
                Endpoint::new("grpc", Address::tcp("fd00::7", 7001)),
            ],
        );
        instance.endpoints[1].tls = true;
        instance.zone = Some("icn-a".into());
        instance.version = Some("1.2.3".into());
        instance.weight = 7;
        instance.status = InstanceStatus::Down;
        instance.registered_at = 1_700_000_000_000;
        instance.extra.insert("rack".into(), "17".into());
        let record = Record::new(&instance, "/rpc", Reach::Network).unwrap();
        assert_eq!(read(&record.nodes[0].data, &service(), NODE, &assuming(&[])).unwrap(), instance);
        assert_eq!(nonce(&record.nodes[0].data).unwrap(), record.nonce);
    }

    /// Written by Curator 5.4 with a payload class.
    const CURATORS: &str = concat!(
        r#"{"name":"demo.Echo","id":"11111111-2222-3333-4444-555555555555","address":"10.0.0.7","port":50051,"#,
        r#""sslPort":50052,"payload":{"@class":"Reg$Payload","version":"1.2.3","shard":7},"#,
        r#""registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","#,
        r#""variable":true},{"value":"://","variable":false}]}}"#,
    );

    #[test]
    fn what_curator_writes_is_an_instance_without_endpoints() {
        let instance = parsed(CURATORS).unwrap();
        assert_eq!((instance.endpoints.len(), instance.status), (0, InstanceStatus::Up));
        assert_eq!(instance.identity, Identity::Foreign);
        assert_eq!(instance.registered_at, 1_700_000_000_000);
    }

    #[test]
    fn what_is_assumed_is_spoken_at_both_ports_and_at_the_second_over_tls() {
        let read = |json: &str| read(json.as_bytes(), &service(), NODE, &assuming(&["grpc", "tarpc/1"])).unwrap();
        let mut endpoints = Vec::new();
        for (port, tls) in [(50_051, false), (50_052, true)] {
            for protocol in ["grpc", "tarpc/1"] {
                let mut endpoint = Endpoint::new(protocol, Address::tcp("10.0.0.7", port));
                endpoint.tls = tls;
                endpoints.push(endpoint);
            }
        }
        assert_eq!(read(CURATORS).endpoints, endpoints);
        let only_tls = read(r#"{"address":"10.0.0.7","port":null,"sslPort":50052}"#);
        assert_eq!(only_tls.endpoints, endpoints[2..]);
        // One that says where its gRPC is, or is ours, needs no assumptions.
        let spring = read(r#"{"address":"10.0.0.7","port":8080,"payload":{"metadata":{"gRPC_port":"9090"}}}"#);
        assert_eq!(spring.endpoints, [Endpoint::new("grpc", Address::tcp("10.0.0.7", 9090))]);
        assert!(read(r#"{"address":"10.0.0.7","port":8080,"x-rpc":{}}"#).endpoints.is_empty());
    }

    #[test]
    fn spring_says_where_its_grpc_is_and_whether_it_takes_traffic() {
        let spring = |metadata: &str| {
            parsed(&format!(
                r#"{{"name":"demo.Echo","id":"{NODE}","address":"spring.internal","port":8080,"payload":{{"@class":
                "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"application-1",
                "metadata":{metadata}}}}}"#
            ))
            .unwrap()
        };
        let up = spring(r#"{"@class":"java.util.HashMap","instance_status":"UP","gRPC_port":"9090","n":1}"#);
        assert_eq!(up.endpoints, [Endpoint::new("grpc", Address::tcp("spring.internal", 9090))]);
        assert_eq!(up.status, InstanceStatus::Up);
        assert!(!up.extra.contains_key("@class"));
        assert_eq!(spring(r#"{"instance_status":"OUT_OF_SERVICE"}"#).status, InstanceStatus::Down);
    }

    #[test]
    fn almost_everything_may_be_missing() {
        assert!(parsed("{}").unwrap().endpoints.is_empty());
        assert!(parsed(r#"{"address":"10.0.0.7","port":null,"payload":"text","new":[1]}"#).is_ok());
        assert_eq!(parsed(r#"{"enabled":false}"#).unwrap().status, InstanceStatus::Down);
        let sparse =
            parsed(r#"{"x-rpc":{"endpoints":[{"protocol":"grpc","address":"h","port":1}],"new":{}}}"#).unwrap();
        assert_eq!((sparse.endpoints.len(), sparse.weight, sparse.status), (1, 100, InstanceStatus::Up));
        assert_eq!(parsed(r#"{"x-rpc":{"status":"dreaming"}}"#).unwrap().status, InstanceStatus::Down);
        let sequential = format!("{NODE}0000000042");
        let json = format!(r#"{{"id":"{NODE}"}}"#);
        assert_eq!(read(json.as_bytes(), &service(), &sequential, &assuming(&[])).unwrap().id, sequential);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (json, objection) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            (r#"{"name":"demo.Echo""#, "no JSON object"),
            ("{\"name\":\"\u{0}\"}", "no JSON object"),
            (r#"{"name":"demo.Other"}"#, "`name` is not that of its node"),
            (r#"{"id":"another"}"#, "`id` is not that of its node"),
            (r#"{"id":7}"#, "`id` is of the wrong kind"),
            (r#"{"address":"0.0.0.0","port":1}"#, "0.0.0.0:1 means every address"),
            (r#"{"address":"169.254.169.254","port":80}"#, "link-local"),
            (r#"{"address":"127.0.0.1","port":80}"#, "loopback"),
            (r#"{"address":"10.0.0.7\n","port":80}"#, "is none"),
            (r#"{"address":"10.0.0.7","port":0}"#, "has no port"),
            (r#"{"address":"10.0.0.7","port":70000}"#, "`port` is of the wrong kind"),
            (r#"{"x-rpc":7}"#, "`x-rpc` is of the wrong kind"),
            (r#"{"x-rpc":{"endpoints":[{"protocol":"grpc","address":"a/b","port":1}]}}"#, "is none"),
            (r#"{"x-rpc":{"endpoints":[{"protocol":"g r","address":"a","port":1}]}}"#, "`protocol`"),
        ] {
            let error = parsed(json).unwrap_err().to_string();
            assert!(error.contains(objection), "{json}: {error}");
        }
        let deep = format!(r#"{{"payload":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
        assert!(matches!(parsed(&deep), Err(Objection::NotJson(_))));
        assert!(matches!(parsed(&" ".repeat(70_000)), Err(Objection::TooLarge(70_000))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&data, &service(), NODE, &assuming(&["grpc"]));
        }

        #[test]
        fn no_mutation_of_a_record_makes_it_panic(position in 0..300_usize, byte in any::<u8>()) {
            let mut json = br#"{"name":"demo.Echo","address":"10.0.0.7","port":1,"x-rpc":{"nonce":"n","endpoints":[
                {"protocol":"grpc","address":"10.0.0.7","port":7000,"tls":false}],"weight":100,"status":"up"}}"#.to_vec();
            let position = position % json.len();
            json[position] = byte;
            let _ = read(&json, &service(), NODE, &assuming(&["grpc"]));
        }
    }
}
