//! Errors: the group's error, the aggregate of failures, and the boxed error for mixed ones.

mod boxed;
mod dyn_error;
mod error_group;
mod failure;
mod group_error;
mod tree;

pub use boxed::{BoxError, ErrInto, IntoBoxError};
pub use dyn_error::AsDynError;
pub(crate) use dyn_error::{Echo, is_cancellation, is_report};
pub use error_group::ErrorGroup;
pub use failure::{Failure, FailureKind};
pub use group_error::GroupError;
