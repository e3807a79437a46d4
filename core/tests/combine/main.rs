//! The combinators over plain futures and local children, where each step can be chosen. What they
//! do with tasks of a group is in the conformance suite.

mod bombs;
mod children;
mod in_place;
mod many;
mod map;
#[path = "../support/panics.rs"]
mod panics;
mod properties;
mod shields;
mod support;
