//! Errors: the group's error, the aggregate of failures, and the boxed error for mixed ones.
//!
//! `group_error` is what a group returns, `error_group` its failures, `failure` one of them. `leaves`
//! walks them, `split` takes trees apart, `handling` hands them to handlers by type; `line` and `tree`
//! print them, `escape` sees that what users wrote cannot spoil the print.

mod boxed;
mod compare;
#[cfg(feature = "miette")]
mod diagnostic;
mod dyn_error;
mod err_into;
mod error_group;
pub(crate) mod escape;
mod failure;
mod group_error;
mod handling;
mod leaves;
mod line;
mod panic_payload;
mod panic_site;
#[cfg(feature = "serde")]
mod serialize;
mod split;
mod tree;

pub use boxed::BoxError;
#[cfg(feature = "miette")]
pub use diagnostic::AsDiagnostic;
pub use dyn_error::AsDynError;
pub(crate) use dyn_error::{Echo, Gravest, drop_echo, is_cancellation};
pub use err_into::{ErrInto, ErrIntoExt};
pub use error_group::ErrorGroup;
#[doc(hidden)]
pub use escape::OneLine;
pub(crate) use failure::INDENTED;
pub use failure::{Failure, FailureKind};
pub use group_error::GroupError;
pub use handling::{Handled, Handling};
pub use leaves::{Leaf, Leaves};
pub use panic_payload::PanicPayload;
pub use panic_site::record_panic_sites;
pub use tree::Tree;
