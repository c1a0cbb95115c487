//! Macros.

mod attribute;
mod report;
