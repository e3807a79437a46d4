//! The conformance suite on this backend.

fn main() {}
