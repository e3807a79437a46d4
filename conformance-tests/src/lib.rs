//! The contract of anyscope as cases that any backend can be run against.

#![forbid(unsafe_code)]
