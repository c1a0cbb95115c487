//! What the macros make of code, compiled and run. In one program, since each is linked with everything.
#![allow(missing_docs, unreachable_pub, reason = "shapes of messages and services, not an interface")]

mod expand;
mod message_error;
mod message_hostile;
mod message_presence;
mod message_prost;
mod message_prost_enum;
mod schema;
mod schema_errors;
mod service_behaviour;
mod service_by_value;
mod service_evolution;
mod service_keys;
mod service_kinds;
mod shapes;
