//! What is known of one server.

use crate::{Address, registry::ServiceName};
use std::collections::BTreeMap;

/// One server process, registered once, whatever the number of its services.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Instance {
    /// Unique for the life of the process; a restarted server has another.
    pub id: String,
    /// Whose id that is.
    pub identity: Identity,
    /// What it offers.
    pub services: Vec<ServiceName>,
    /// How it can be reached, once per protocol.
    pub endpoints: Vec<Endpoint>,
    /// The failure domain it stands in.
    pub zone: Option<String>,
    /// The version of the program, for people.
    pub version: Option<String>,
    /// Its share of the traffic relative to others; 100 is ordinary, 0 is none.
    pub weight: u32,
    /// Whether it takes traffic.
    pub status: InstanceStatus,
    /// When it registered, in milliseconds since 1970.
    pub registered_at: u64,
    /// Whatever else the record says, kept as it is.
    pub extra: BTreeMap<String, String>,
}

/// One way to reach an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Endpoint {
    /// The protocol with its version: `"grpc"`, `"tarpc/1"`.
    pub protocol: String,
    /// Where it is spoken.
    pub address: Address,
    /// Whether it is spoken over TLS.
    pub tls: bool,
}

/// Whose the id of an instance is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The server's own: a client says whom it expects, and is not served by another process on the same port.
    #[default]
    Its,
    /// That of a record by somebody else's hand, such as Curator's: the server itself does not speak of ids, so none is
    /// expected there.
    Foreign,
    /// Made up from the address, where nothing else is known: nobody in particular is expected there, and whether it is
    /// spoken over TLS is for the client to say.
    MadeUp,
}

/// Whether an instance takes traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstanceStatus {
    /// It does.
    #[default]
    Up,
    /// An operator, or its own drain, has taken it out.
    Down,
}

impl Instance {
    /// The weight of an ordinary instance.
    pub const WEIGHT: u32 = 100;
    /// The largest weight: a hundred times an ordinary one.
    pub const MAX_WEIGHT: u32 = 10_000;

    /// An ordinary instance.
    pub fn new(id: impl Into<String>, services: Vec<ServiceName>, endpoints: Vec<Endpoint>) -> Self {
        Self {
            id: id.into(),
            identity: Identity::Its,
            services,
            endpoints,
            zone: None,
            version: None,
            weight: Self::WEIGHT,
            status: InstanceStatus::Up,
            registered_at: 0,
            extra: BTreeMap::new(),
        }
    }

    /// A new id: 128 random bits in the form of a version 4 UUID (RFC 9562, section 5.4).
    pub fn random_id() -> String {
        let bits = (fastrand::u128(..) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48))
            | (0x4000_u128 << 64)
            | (0x8000_u128 << 48);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl Endpoint {
    /// A protocol spoken in the clear.
    pub fn new(protocol: impl Into<String>, address: Address) -> Self {
        Self { protocol: protocol.into(), address, tls: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_uuids() {
        let id = Instance::random_id();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(id, Instance::random_id());
    }
}
