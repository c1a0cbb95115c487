//! What services look like to others: their `.proto`, and a test that it stays as it was.
//!
//! ```
//! use rpc::prelude::*;
//!
//! /// Greets.
//! #[rpc_service(package = "demo.v1")]
//! pub trait Greeter {
//!     /// Greets one person.
//!     async fn greet(&self, name: String) -> Result<String, Status>;
//! }
//!
//! let schema = GreeterClient::SERVICE.schema()?;
//! assert!(schema.proto().contains("rpc Greet(GreeterGreetRequest) returns (GreeterGreetResponse);"));
//! let for_reflection: Vec<u8> = schema.file_descriptor_set();
//! # assert!(!for_reflection.is_empty());
//! # Ok::<(), rpc::schema::SchemaError>(())
//! ```

pub use rpc_core::schema::{Fingerprint, Schema, SchemaBuilder, SchemaError};

use rpc_core::schema::differences;
use std::{env, fs, path::Path};

/// Compares the `.proto` of services with the one that was committed, and fails when they differ: it names the fields
/// that moved and says how to keep them. For a test, and for the interface crate's repository: what is in the file is
/// what programs in other languages are built from, and what older programs of one's own still send.
///
/// ```no_run
/// # use rpc::prelude::*;
/// # #[rpc_service] pub trait Orders { async fn find(&self, number: String) -> Result<String, Status>; }
/// #[test]
/// fn the_interface_stays_as_it_was() {
///     rpc::assert_proto!("orders.proto", OrdersClient);
/// }
/// ```
///
/// The path begins at the crate's `Cargo.toml`. `UPDATE_PROTO=1 cargo test` writes the file as it is now. Several
/// clients may stand there, whose services go into one file; messages of other packages go into files beside it, named
/// after their packages. With messages that prost generated, add their descriptors:
/// `assert_proto!("orders.proto", OrdersClient; pb::FILE_DESCRIPTOR_SET)`, and the names of its enums, which do not
/// know them: `assert_proto!("orders.proto", OrdersClient; pb::FILE_DESCRIPTOR_SET, pb::Kind = "maps.v1.Kind")`.
#[macro_export]
macro_rules! assert_proto {
    ($path:expr, $($client:ty),+ $(,)? $(; $descriptors:expr $(, $enum:ty = $name:expr)* $(,)?)?) => {
        $crate::schema::assert_committed(
            &::std::path::Path::new(::core::env!("CARGO_MANIFEST_DIR")).join($path),
            &$crate::schema::Schema::builder()
                $(.service(<$client as $crate::Client>::SERVICE))+
                $(.descriptors($descriptors) $(.enumeration::<$enum>($name))*)?
                .build(),
        )
    };
}

/// What [`assert_proto!`](crate::assert_proto) does.
///
/// # Panics
/// When the file is not what the schema says, or there is no schema.
#[expect(clippy::disallowed_methods, reason = "runs in tests, for whoever starts them")]
#[doc(hidden)]
#[track_caller]
pub fn assert_committed(path: &Path, schema: &Result<Schema, SchemaError>) {
    let committed = if env::var_os("UPDATE_PROTO").is_some() { Committed::Written } else { Committed::Compared };
    if let Err(difference) = check_committed(path, schema, committed) {
        panic!("{difference}");
    }
}

/// What is done with the file.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It has to be what the schema says.
    Compared,
    /// It is made so.
    Written,
}

/// What [`assert_committed`] does, without the environment.
///
/// # Errors
/// What is different, in words.
#[doc(hidden)]
pub fn check_committed(path: &Path, schema: &Result<Schema, SchemaError>, committed: Committed) -> Result<(), String> {
    let schema = schema.as_ref().map_err(ToString::to_string)?;
    let main = schema.proto();
    let mut wrong = Vec::new();
    for (name, text) in schema.files() {
        let path = if text == main { path.to_owned() } else { path.with_file_name("").join(name) };
        let file = path.display();
        if committed == Committed::Written {
            let folder = path.parent().unwrap_or(Path::new("."));
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
            written.map_err(|error| format!("{file} cannot be written: {error}"))?;
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(found) if found == text => {}
            Ok(found) => {
                let changes: String =
                    differences(&found, &text).iter().map(|change| format!("  - {change}\n")).collect();
                wrong.push(format!("{file} is not what the Rust types say any more:\n{changes}"));
            }
            Err(error) => wrong.push(format!("{file} is not there ({error})\n")),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}If that is meant, `UPDATE_PROTO=1 cargo test` writes it; commit it.", wrong.concat()))
}
