//! Structured concurrency for any async runtime.

#![forbid(unsafe_code)]

pub use anyscope_core::*;
