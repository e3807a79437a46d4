//! Repository rules as pure checks: each gives its complaints, none when all is well.

#![forbid(unsafe_code)]

pub mod contract;
pub mod docs;
pub mod graph;
pub mod links;
pub mod manifest;
pub mod mirror;
pub mod repo;
pub mod source;
