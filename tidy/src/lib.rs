//! Repository rules as one test.

#![forbid(unsafe_code)]
