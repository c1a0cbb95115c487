//! Nothing but dependencies: every library with all the features that some package of the workspace wants of it.
//!
//! Cargo compiles a library once for each set of its features that it meets. Whoever selects this package beside
//! another (`cargo test -p rpc -p rpc-features`) gets the libraries that the whole workspace has been built with, and
//! not others: `cargo xtask test` does so for the facade's other features, of which only the facade is compiled then.
//! It is never a dependency; that the facade compiles with nothing but its own is for `cargo xtask lint` to see.
//!
//! Of the libraries those are named here that make a difference. Whether it is still so shows what cargo compiles in
//! the later runs of `cargo xtask test`: no library.
