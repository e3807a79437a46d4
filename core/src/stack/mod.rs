//! What runs on this thread right now, innermost last: units, what may cut them, and shields (X2).
//!
//! `frames` is what is no unit, `query` all that can be asked.

mod frames;
mod query;

use std::cell::{Cell, RefCell};

use frames::{Frame, push_unpushed};
pub(crate) use frames::{poll_below, run_below, run_shielded};
pub(crate) use query::{
    CleanupOwner, cleanup_owner, covers, current_cause, current_job, enclosing, ending, frames,
    is_about_to_be_dropped, is_below, is_below_unshielded, is_native, is_under_way, shielded_by,
};

use crate::group::Unit;
use crate::panics::{Payload, catch};
use crate::sync::WakerId;

crate::sync::thread_local! {
    /// Borrowed only for a push, a pop or a look, never while user code runs.
    static STACK: RefCell<Stack> = const {
        RefCell::new(Stack { innermost: None, outside: 0, outer: Vec::new(), frames: Vec::new() })
    };
}

crate::sync::thread_local! {
    /// What the innermost unit is doing; none exactly where there is no such unit. Apart from it, since it is
    /// asked and changed most often, and by this type alone needs no destructor, for which each access would
    /// have to look.
    static DOING: Cell<Option<Doing>> = const { Cell::new(None) };
}

/// Units apart from all else, and the innermost apart from the others: most often there is nothing else.
struct Stack {
    innermost: Option<Unit>,
    /// How many of the frames it is inside of.
    outside: usize,
    /// Units that it runs inside of.
    outer: Vec<Outer>,
    frames: Vec<Frame>,
}

/// A unit that is under way on this thread, outside another.
struct Outer {
    unit: Unit,
    outside: usize,
    doing: Doing,
}

/// What a unit is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It is polled with this waker of its executor, which is safe to be registered with native
    /// handles (P3).
    Poll(WakerId),
    /// Its future is dropped, or a callback runs.
    End,
    /// It is a job.
    Job,
    /// It is a job that polls a future, for which it waits (B5).
    Waits,
}

impl Stack {
    /// All units, the innermost last.
    fn units(&self) -> impl Iterator<Item = &Unit> {
        self.outer.iter().map(|own| &own.unit).chain(&self.innermost)
    }

    #[cold]
    fn push_outer(&mut self, unit: Unit) {
        let doing = doing().expect("each unit does something");
        self.outer.push(Outer { unit, outside: self.outside, doing });
    }

    #[cold]
    fn pop_outer(&mut self) {
        if let Some(Outer { unit, outside, doing }) = self.outer.pop() {
            (self.innermost, self.outside) = (Some(unit), outside);
            do_now(Some(doing));
        }
    }

    /// The frames inside the innermost unit.
    fn inside(&self) -> &[Frame] {
        &self.frames[self.outside..]
    }

    fn inside_mut(&mut self) -> &mut [Frame] {
        &mut self.frames[self.outside..]
    }
}

/// Runs `f` as the unit, which comes back, and catches its panic.
#[inline]
pub(crate) fn run_as<T>(
    unit: Unit,
    doing: Doing,
    f: impl FnOnce() -> T,
) -> (Unit, Result<T, Payload>) {
    let left = push_unit(unit);
    if left.is_none() {
        do_now(Some(doing));
    }
    let outcome = catch(f);
    (left.unwrap_or_else(pop_unit), outcome)
}

/// Drops something as the unit, or calls back. Not generic, as `run_as` is: it is not what has to be quick.
pub(crate) fn end_as(unit: Unit, f: &mut dyn FnMut()) -> (Unit, Result<(), Payload>) {
    run_as(unit, Doing::End, f)
}

/// Gives it back on a thread that is being torn down, which has no stack any more. What it does comes next.
#[inline]
fn push_unit(unit: Unit) -> Option<Unit> {
    push_unpushed();
    // Asked first, because a closure that is not called would take the unit along.
    if look_at(|_| ()).is_none() {
        return Some(unit);
    }
    look_at(|stack| {
        if let Some(outer) = stack.innermost.replace(unit) {
            stack.push_outer(outer);
        }
        stack.outside = stack.frames.len();
    });
    None
}

#[inline]
fn pop_unit() -> Unit {
    let popped = look_at(|stack| {
        let own = stack.innermost.take();
        stack.outside = 0;
        do_now(None);
        if !stack.outer.is_empty() {
            stack.pop_outer();
        }
        own
    });
    popped.flatten().expect("each unit is popped by the call that pushed it")
}

/// From now on the innermost unit, which calls this as it is polled, drops its future.
#[inline]
pub(crate) fn begin_end() {
    replace_doing(Doing::End);
}

/// What the innermost unit is doing.
#[inline]
fn doing() -> Option<Doing> {
    DOING.try_with(Cell::get).ok().flatten()
}

#[inline]
fn do_now(doing: Option<Doing>) {
    let _ = DOING.try_with(|own| own.set(doing));
}

/// Polls, in a job, the future for which it waits.
pub(crate) fn run_waiting<T>(f: impl FnOnce() -> T) -> T {
    let _before = Before(replace_doing(Doing::Waits));
    f()
}

/// What it did before; without a unit nothing is changed.
#[inline]
fn replace_doing(doing: Doing) -> Option<Doing> {
    let before = self::doing()?;
    do_now(Some(doing));
    Some(before)
}

/// What the innermost unit did before, and does again after this, also after a panic.
struct Before(Option<Doing>);

impl Drop for Before {
    fn drop(&mut self) {
        self.0.map(replace_doing);
    }
}

/// `None` on a thread that is being torn down.
#[inline]
fn look_at<T>(f: impl FnOnce(&mut Stack) -> T) -> Option<T> {
    STACK.try_with(|stack| f(&mut stack.borrow_mut())).ok()
}

#[inline]
fn look<T>(f: impl FnOnce(&mut Stack) -> Option<T>) -> Option<T> {
    push_unpushed();
    look_at(f).flatten()
}
