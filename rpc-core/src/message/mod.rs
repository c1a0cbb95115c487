//! Messages: how ordinary Rust types become protobuf.
