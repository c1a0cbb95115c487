//! A server's record as JSON.

use crate::{
    Address,
    registry::{Endpoint, Instance, InstanceStatus, ServiceName},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many bytes a record may have; more is not read.
pub(super) const MAX_BYTES: u64 = 64 * 1024;
const MAX_SERVICES: usize = 256;
const MAX_ENDPOINTS: usize = 16;
const MAX_EXTRA: usize = 64;

/// What stands in the file. Fields that are not known here are skipped, so that a later version may add some.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    services: Vec<String>,
    endpoints: Vec<RecordEndpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default = "ordinary")]
    weight: u32,
    #[serde(default)]
    status: State,
    #[serde(default)]
    registered_at: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extra: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordEndpoint {
    protocol: String,
    address: String,
    #[serde(default)]
    tls: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Up,
    Down,
}

fn ordinary() -> u32 {
    Instance::WEIGHT
}

/// Writes a record.
pub(super) fn write(instance: &Instance) -> serde_json::Result<Vec<u8>> {
    let endpoints = instance.endpoints.iter().map(|endpoint| RecordEndpoint {
        protocol: endpoint.protocol.clone(),
        address: endpoint.address.to_string(),
        tls: endpoint.tls,
    });
    let mut text = serde_json::to_vec_pretty(&Record {
        id: instance.id.clone(),
        services: instance.services.iter().map(ToString::to_string).collect(),
        endpoints: endpoints.collect(),
        zone: instance.zone.clone(),
        version: instance.version.clone(),
        weight: instance.weight,
        status: match instance.status {
            InstanceStatus::Up => State::Up,
            InstanceStatus::Down => State::Down,
        },
        registered_at: instance.registered_at,
        extra: instance.extra.clone(),
    })?;
    text.push(b'\n');
    Ok(text)
}

/// Reads what stands in the file of `id` under `service`. It may be anything: a mistake is a sentence.
pub(super) fn read(text: &[u8], id: &str, service: &ServiceName) -> Result<Instance, String> {
    let record: Record = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if record.id != id {
        return Err(format!("its id is {:?}, and its name says {id:?}", cut(&record.id)));
    }
    if record.services.len() > MAX_SERVICES || record.endpoints.len() > MAX_ENDPOINTS || record.extra.len() > MAX_EXTRA
    {
        return Err(format!("over {MAX_SERVICES} services, {MAX_ENDPOINTS} endpoints or {MAX_EXTRA} extras"));
    }
    let services = record.services.iter().map(|name| name.parse().map_err(|error| format!("{error}")));
    let services = services.collect::<Result<Vec<ServiceName>, _>>()?;
    if !services.contains(service) {
        return Err(format!("it does not offer {service}"));
    }
    let endpoints = record.endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?;
    let mut instance = Instance::new(record.id, services, endpoints);
    instance.zone = record.zone;
    instance.version = record.version;
    instance.weight = record.weight;
    instance.status = match record.status {
        State::Up => InstanceStatus::Up,
        State::Down => InstanceStatus::Down,
    };
    instance.registered_at = record.registered_at;
    instance.extra = record.extra;
    Ok(instance)
}

fn endpoint(written: RecordEndpoint) -> Result<Endpoint, String> {
    let address: Address = written.address.parse().map_err(|error| format!("{error}"))?;
    if let Address::Tcp { port: 0, .. } = address {
        return Err(format!("{address} has no port"));
    }
    let mut endpoint = Endpoint::new(written.protocol, address);
    endpoint.tls = written.tls;
    Ok(endpoint)
}

/// Whether a name can be that of a file here, and nothing else.
pub(super) fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && !id.starts_with('.')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn cut(text: &str) -> &str {
    text.get(..64).unwrap_or(text.get(..text.len().min(16)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn orders() -> ServiceName {
        "baedal.Orders".parse().unwrap()
    }

    fn full() -> Instance {
        let endpoints = vec![
            Endpoint::new("tarpc/1", "127.0.0.1:7000".parse().unwrap()),
            Endpoint::new("grpc", "unix:/run/orders.sock".parse().unwrap()),
        ];
        let mut instance = Instance::new("a-1", vec![orders()], endpoints);
        instance.zone = Some("seoul-1".to_owned());
        instance.version = Some("2.1.0".to_owned());
        instance.weight = 50;
        instance.status = InstanceStatus::Down;
        instance.registered_at = 1_795_000_000_000;
        instance.extra.insert("team".to_owned(), "배달".to_owned());
        instance
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = write(&full()).unwrap();
        assert_eq!(read(&text, "a-1", &orders()).unwrap(), full());
    }

    #[test]
    fn little_is_enough_and_the_unknown_is_skipped() {
        let text = br#"{"id":"a","services":["baedal.Orders"],"endpoints":[],"shape":"round"}"#;
        assert_eq!(read(text, "a", &orders()).unwrap(), Instance::new("a", vec![orders()], vec![]));
    }

    #[test]
    fn a_mistake_is_a_sentence() {
        let with = |from: &str, to: &str| {
            let text = String::from_utf8(write(&full()).unwrap()).unwrap().replace(from, to);
            read(text.as_bytes(), "a-1", &orders()).unwrap_err()
        };
        assert_eq!(with("a-1", "b"), "its id is \"b\", and its name says \"a-1\"");
        assert_eq!(with("baedal.Orders", "baedal.Stores"), "it does not offer baedal.Orders");
        assert!(with("baedal.Orders", "../etc").contains("`../etc` is no name of a service"));
        assert_eq!(with("127.0.0.1:7000", "127.0.0.1:0"), "127.0.0.1:0 has no port");
        assert!(with("127.0.0.1:7000", "host name:1").contains("is no address"));
        assert!(with("{", "[").contains("expected"));
    }

    #[test]
    fn ids_are_names_of_files_here() {
        for id in ["a", "9f3c-1", "host_1.2", &Instance::random_id()] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", ".", "..", ".hidden", "a/b", "a b", "a\0", &"a".repeat(129)] {
            assert!(!is_id(id), "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_may_stand_in_a_file(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&text, "a", &orders());
        }

        #[test]
        fn a_damaged_record_is_a_mistake_or_another_record(at in 0..400_usize, byte: u8) {
            let mut text = write(&full()).unwrap();
            let at = at % text.len();
            text[at] = byte;
            let _ = read(&text, "a-1", &orders());
        }

        #[test]
        fn a_cut_is_never_inside_a_character(text in "\\PC{0,80}") {
            prop_assert!(text.starts_with(cut(&text)));
        }
    }
}
