//! What can be asked of the stack: who runs here, what protects it, whether it is cancelled.

use std::sync::Arc;
use std::task::Waker;

use super::{Doing, Frame, Outer, doing, look};
use crate::cancel::CancelCause;
use crate::group::{Node, Unit, UnitKey};
use crate::protect::{Cleanup, Cover, Registration, ShieldState};
use crate::sync::WakerId;

/// The group that a group opened here belongs to, and the unit that opens it.
pub(crate) fn enclosing() -> Option<(Arc<Node>, UnitKey)> {
    look(|stack| stack.innermost.as_ref().map(|own| (own.node().clone(), own.key())))
}

/// The innermost shield that is still active, if one is inside the current unit.
pub(crate) fn shielded_by() -> Option<Arc<ShieldState>> {
    look(|stack| stack.inside().iter().rev().find_map(Frame::shield).cloned())
        .filter(|shield| shield.is_active())
}

/// How many frames are under way on this thread.
pub(crate) fn frames() -> usize {
    look(|stack| Some(stack.frames.len())).unwrap_or(0)
}

/// Whether the code that runs is inside a child of a local scope that no shield protects, neither one around
/// that code nor one beside it. The child is the first after so many frames.
pub(crate) fn is_below_unshielded(outside: usize) -> bool {
    let is_unshielded = |frame: &Frame| match frame {
        Frame::Cutter { cover, .. } => !cover.as_ref().is_some_and(|cover| cover.is_active()),
        Frame::Shield(_) => false,
    };
    look(|stack| stack.frames.get(outside).map(is_unshielded)).unwrap_or(false)
}

/// Whether this waker is the executor's own.
#[inline]
pub(crate) fn is_native(waker: &Waker) -> bool {
    doing() == Some(Doing::Poll(WakerId::of(waker)))
}

/// The units whose futures are being dropped.
pub(crate) fn ending() -> Vec<Unit> {
    let ends = |own: &&Outer| own.doing == Doing::End;
    let outer =
        look(|stack| Some(stack.outer.iter().filter(ends).map(|own| own.unit.share()).collect()));
    let mut units: Vec<_> = outer.unwrap_or_default();
    units.extend(innermost_if(|doing| doing == Doing::End));
    units
}

/// The innermost unit, if it does what `is_it` says.
#[inline]
fn innermost_if(is_it: impl FnOnce(Doing) -> bool) -> Option<Unit> {
    doing().filter(|doing| is_it(*doing))?;
    look(|stack| stack.innermost.as_ref().map(Unit::share))
}

fn is_jobs(doing: Doing) -> bool {
    matches!(doing, Doing::Job | Doing::Waits)
}

/// Whether the current task or body is about to be dropped by a cancellation (T1), or the future for
/// which a job waits. A job is not, and the inside of a shield is not.
pub(crate) fn is_about_to_be_dropped() -> bool {
    let unit = innermost_if(|doing| matches!(doing, Doing::Poll(_) | Doing::Waits));
    unit.is_some_and(|unit| unit.due().is_some()) && shielded_by().is_none()
}

/// The job that runs here, if what runs is one and not a task inside it.
pub(crate) fn current_job() -> Option<Unit> {
    innermost_if(is_jobs)
}

/// Why the current task or job has been cancelled, if it has, and no shield hides it.
pub(crate) fn current_cause() -> Option<CancelCause> {
    let knows = |own: &&Unit| own.node().knows_a_cause();
    let unit = look(|stack| stack.innermost.as_ref().filter(knows).map(Unit::share));
    unit?.cause().filter(|_| shielded_by().is_none())
}

/// What covers everything that may cut the current future (C4), and the units among that.
pub(crate) fn covers() -> (Vec<Arc<Cover>>, Vec<Unit>) {
    let (mut covers, mut units) = (Vec::new(), Vec::new());
    look(|stack| {
        for frame in &mut stack.frames {
            if let Frame::Cutter { cover, .. } = frame {
                covers.push(cover.get_or_insert_default().clone());
            }
        }
        units.extend(stack.units().map(Unit::share));
        Some(())
    });
    covers.extend(units.iter().map(Unit::cover));
    (covers, units)
}

/// Whether what has this cover, and is no unit, is under way here.
pub(crate) fn is_below(cover: &Arc<Cover>) -> bool {
    let has = |frame: &Frame| match frame {
        Frame::Cutter { cover: Some(own), .. } => Arc::ptr_eq(own, cover),
        _ => false,
    };
    look(|stack| stack.frames.iter().any(has).then_some(())).is_some()
}

/// Whether the unit is under way here.
pub(crate) fn is_under_way(unit: &Unit) -> bool {
    look(|stack| stack.units().any(|own| own.is(unit)).then_some(())).is_some()
}

/// Who would run a clean-up that is deferred here: the innermost task, body or child of a local scope.
pub(crate) fn cleanup_owner() -> Option<CleanupOwner> {
    look(|stack| {
        let child = stack.inside_mut().iter_mut().rev().find_map(|frame| match frame {
            Frame::Cutter { cover, is_child: true } => Some(cover.get_or_insert_default().clone()),
            _ => None,
        });
        let unit = stack.innermost.as_ref().filter(|_| !doing().is_some_and(is_jobs));
        child.map(CleanupOwner::Child).or_else(|| unit.map(|own| CleanupOwner::Unit(own.share())))
    })
}

/// Whose clean-ups they are.
pub(crate) enum CleanupOwner {
    Unit(Unit),
    Child(Arc<Cover>),
}

impl CleanupOwner {
    pub(crate) fn push(&self, cleanup: Cleanup) -> Registration {
        match self {
            Self::Unit(unit) => unit.cover().push(cleanup),
            Self::Child(cover) => cover.push(cleanup),
        }
    }
}
