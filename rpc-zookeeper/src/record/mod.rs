//! What stands in a node: the JSON of Curator's x-discovery, with what we know of an instance in one more field.
//!
//! Spring Cloud, Armeria and every program that uses Curator read and write this form, so they find our servers and we
//! find theirs. The field of ours, `x-rpc`, is one that they skip. `payload` stays `null`: a Java reader looks up the
//! class that a payload names in `@class`, so that whoever can write a node chooses what it loads. We write no such
//! name, and read past it.

mod read;
mod write;

pub(crate) use read::{Assumptions, Objection, nonce, read};
pub(crate) use write::{Node, Record};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest record that is written or read, in bytes. (A server drops the connection of whoever sends a megabyte.)
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// The most protocols an instance is read to speak.
const MAX_ENDPOINTS: usize = 64;
/// The most other facts that are kept of a record, and how long a name or value may be, in bytes.
const MAX_EXTRA: usize = 64;
const MAX_TEXT: usize = 1024;

/// Our own field, `x-rpc`. What is missing has a default, what is unknown is skipped: both ends change over time.
#[derive(Debug, Serialize, Deserialize)]
struct Ours {
    /// Drawn once per registration: whoever knows it wrote the record, in whichever session.
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    endpoints: Vec<OurEndpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default = "ordinary_weight")]
    weight: u32,
    #[serde(default)]
    status: OurStatus,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extra: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OurEndpoint {
    protocol: String,
    address: String,
    port: u16,
    #[serde(default)]
    tls: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OurStatus {
    #[default]
    Up,
    /// Also what a status of a later version is taken for: when in doubt, no traffic.
    #[serde(other)]
    Down,
}

fn ordinary_weight() -> u32 {
    rpc_core::registry::Instance::WEIGHT
}
