//! Models of core's atomics and locks: each is run under every order of threads and every value that
//! a weak memory may show, within a bound of preemptions. Run with `RUSTFLAGS="--cfg anyscope_loom"`.

#![cfg(anyscope_loom)]
#![forbid(unsafe_code)]

mod support;

mod cancel;
mod jobs;
mod protect;
mod sets;
mod spawn;
mod waiting;
