//! Nothing: the programs are the examples of this package. Cargo asks for a library beside them.

#![forbid(unsafe_code)]
