//! One suite for every transport.
//!
//! A *scenario* is something a caller may rely on, written once against the API that users have. A *column* is a way to
//! reach a server: in this process by value or by wire, gRPC, tarpc. The suite runs every scenario in every column and
//! prints the table; what does not apply stands, with its reason, in `not_applicable.txt` and nowhere else. That the
//! suite can fail is shown by `tests/saboteurs.rs`.
//!
//! To add a column: a file in `columns`, and a line in [`columns::all`]. To add a scenario: an `async fn` and a line in
//! the list of its file in `scenarios`.

// What is tested: a service, and what it remembers.
pub mod lab;
pub mod ledger;
pub mod raw;

// How it is reached.
pub mod columns;

// What is expected.
pub mod scenario;
pub mod scenarios;

// What came out.
pub mod not_applicable;
pub mod outcome;
pub mod table;

// Transports that are broken on purpose.
pub mod saboteur;
