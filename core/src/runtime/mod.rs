//! What a runtime must be able to do: the traits that a backend implements, and the erased runtime.

mod any;
mod blocking;
mod cpu;
mod erased;
mod guarded_sleep;
mod late;
mod root;
mod spawner;
mod timer;

pub use any::AnyRuntime;
pub use blocking::Blocking;
pub use cpu::CpuPool;
pub use erased::AnyHandle;
pub(crate) use guarded_sleep::GuardedSleep;
#[doc(hidden)]
pub use late::late;
pub use root::{Drained, Root, Roots};
pub use spawner::{NativeHandle, Spawner};
pub(crate) use timer::later;
pub use timer::{Elapsed, MoveOn, Sleep, Timeout, Timer};

use crate::group::Group;

/// A whole runtime: the sum of what a group needs. Implemented by itself for whatever implements
/// the four.
///
/// A runtime is a value, cheap to clone, made from a given native runtime or from the current one
/// (R2). It cannot be a trait object: [`AnyRuntime`] is there for code that cannot be generic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a runtime that groups can be opened on",
    note = "a native runtime becomes one by the type of its backend, as in `Tokio::from_handle(handle)`; \
            code that cannot be generic takes an `AnyRuntime`"
)]
pub trait Runtime: Spawner + Blocking + CpuPool + Timer + Group {}

impl<R: Spawner + Blocking + CpuPool + Timer> Runtime for R {}
