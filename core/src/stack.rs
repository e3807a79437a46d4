//! What runs on this thread right now, innermost last: units, what may cut them, and shields (X2).

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Waker;

use crate::cancel::CancelCause;
use crate::group::{Node, Unit, UnitKey};
use crate::panics::{Payload, catch};
use crate::protect::{Cleanup, Cover, Guarded};
use crate::sync::WakerId;

crate::sync::thread_local! {
    /// Borrowed only for a push, a pop or a look, never while user code runs.
    static STACK: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

crate::sync::thread_local! {
    /// A cutter without a cover that is under way above all frames, and was not pushed yet: whether it
    /// is a child. Most are over before anybody looks.
    static UNPUSHED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// One call of ours that is under way on this thread.
enum Frame {
    Unit {
        unit: Unit,
        doing: Doing,
    },
    /// Something else that may drop what it polls: it does not while its cover is active (C4).
    /// `None` until somebody below needs the cover.
    Cutter {
        cover: Option<Arc<Cover>>,
        /// A child of a local scope, which has clean-ups of its own (S2).
        is_child: bool,
    },
    /// The inside of a shield.
    Shield(Arc<Guarded>),
}

impl Frame {
    fn guarded(&self) -> Option<&Arc<Guarded>> {
        match self {
            Self::Shield(guarded) => Some(guarded),
            _ => None,
        }
    }
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
}

/// Runs `f` as the unit in `unit`, which is put back when it is done, and catches its panic.
pub(crate) fn run_as<T>(
    unit: &mut Option<Unit>,
    doing: Doing,
    f: impl FnOnce() -> T,
) -> Result<T, Payload> {
    if unit.is_none() {
        return catch(f);
    }
    let push = |unit: &mut Option<Unit>, frames: &mut Vec<Frame>| {
        frames.extend(unit.take().into_iter().map(|unit| Frame::Unit { unit, doing }));
    };
    let pop = |unit: &mut Option<Unit>, frame| match frame {
        Some(Frame::Unit { unit: own, .. }) => *unit = Some(own),
        _ => unreachable!("{FRAMES}"),
    };
    run_in(unit, push, f, pop)
}

/// From now on the innermost unit, which calls this as it is polled, drops its future.
pub(crate) fn begin_end() {
    look(|frames| match frames.last_mut()? {
        Frame::Unit { doing, .. } => {
            *doing = Doing::End;
            Some(())
        }
        _ => unreachable!("{FRAMES}"),
    });
}

/// Runs `f` below something that may drop it. `cover` is made by whoever below needs it first.
#[inline]
pub(crate) fn run_below<T>(
    cover: &mut Option<Arc<Cover>>,
    is_child: bool,
    f: impl FnOnce() -> T,
) -> T {
    push_unpushed();
    match &cover {
        None => replace_unpushed(Some(is_child)).map_or((), drop),
        Some(own) => push(Frame::Cutter { cover: Some(own.clone()), is_child }),
    }
    let _below = Below { cover };
    f()
}

/// A cutter while it is under way. Takes its cover back, also when what runs below panics.
struct Below<'a> {
    cover: &'a mut Option<Arc<Cover>>,
}

impl Drop for Below<'_> {
    #[inline]
    fn drop(&mut self) {
        // What came after it has gone before it, and had it pushed.
        if replace_unpushed(None).is_none() {
            if let Some(made) = pop_cover() {
                *self.cover = Some(made);
            }
        }
    }
}

fn pop_cover() -> Option<Arc<Cover>> {
    match STACK.try_with(|stack| stack.borrow_mut().pop()).ok()?? {
        Frame::Cutter { cover, .. } => cover,
        _ => None,
    }
}

#[inline]
fn replace_unpushed(is_child: Option<bool>) -> Option<bool> {
    UNPUSHED.try_with(|unpushed| unpushed.replace(is_child)).ok().flatten()
}

fn push(frame: Frame) {
    let _ = STACK.try_with(|stack| stack.borrow_mut().push(frame));
}

/// Comes before each push and each look.
#[inline]
fn push_unpushed() {
    if let Some(is_child) = replace_unpushed(None) {
        push(Frame::Cutter { cover: None, is_child });
    }
}

/// Runs `f` inside the shield in `guarded`, which is put back when it is done, and catches its panic.
pub(crate) fn run_shielded<T>(
    guarded: &mut Option<Arc<Guarded>>,
    f: impl FnOnce() -> T,
) -> Result<T, Payload> {
    if guarded.is_none() {
        return catch(f);
    }
    let push = |guarded: &mut Option<Arc<Guarded>>, frames: &mut Vec<Frame>| {
        frames.extend(guarded.take().into_iter().map(Frame::Shield));
    };
    let pop = |guarded: &mut Option<Arc<Guarded>>, frame| match frame {
        Some(Frame::Shield(own)) => *guarded = Some(own),
        _ => unreachable!("{FRAMES}"),
    };
    run_in(guarded, push, f, pop)
}

const FRAMES: &str = "each frame is popped by the call that pushed it";

/// Moves what is in `own` into a frame and back. (`extend` makes the frame where it is to lie: one
/// that is made elsewhere and moved, as by `push`, costs twice as much.) A thread that is being torn
/// down has no stack any more.
#[inline]
fn run_in<S, T>(
    own: &mut S,
    push: impl FnOnce(&mut S, &mut Vec<Frame>),
    f: impl FnOnce() -> T,
    pop: impl FnOnce(&mut S, Option<Frame>),
) -> Result<T, Payload> {
    push_unpushed();
    let has_stack = STACK.try_with(|stack| push(own, &mut stack.borrow_mut())).is_ok();
    let outcome = catch(f);
    if has_stack {
        STACK.with(|stack| pop(own, stack.borrow_mut().pop()));
    }
    outcome
}

fn look<T>(f: impl FnOnce(&mut [Frame]) -> Option<T>) -> Option<T> {
    push_unpushed();
    STACK.try_with(|stack| f(&mut stack.borrow_mut())).ok().flatten()
}

/// The innermost unit, what it is doing, and the shields inside it.
fn innermost(frames: &[Frame]) -> Option<(&Unit, Doing, &[Frame])> {
    let at = frames.iter().rposition(|frame| matches!(frame, Frame::Unit { .. }))?;
    match &frames[at] {
        Frame::Unit { unit, doing } => Some((unit, *doing, &frames[at + 1..])),
        _ => None,
    }
}

/// The group that a group opened here belongs to, and the unit that opens it.
pub(crate) fn enclosing() -> Option<(Arc<Node>, UnitKey)> {
    look(|frames| innermost(frames).map(|(unit, ..)| (unit.node().clone(), unit.key())))
}

/// The innermost shield that is still active, if one is inside the current unit.
pub(crate) fn shielded_by() -> Option<Arc<Guarded>> {
    look(|frames| {
        let inside = innermost(frames).map_or(&*frames, |(.., inside)| inside);
        inside.iter().rev().find_map(Frame::guarded).cloned()
    })
    .filter(|guarded| guarded.is_active())
}

/// Whether a shield is inside the innermost child of a local scope.
pub(crate) fn is_child_shielded() -> bool {
    look(|frames| {
        let owner = |frame: &Frame| {
            matches!(frame, Frame::Unit { .. } | Frame::Cutter { is_child: true, .. })
        };
        let inside = frames.iter().rev().take_while(|frame| !owner(frame));
        inside.filter_map(Frame::guarded).any(|guarded| guarded.is_active()).then_some(())
    })
    .is_some()
}

/// Whether this waker is the executor's own.
pub(crate) fn is_native(waker: &Waker) -> bool {
    let native = Doing::Poll(WakerId::of(waker));
    look(|frames| innermost(frames).map(|(_, doing, _)| doing)) == Some(native)
}

/// The units whose futures are being dropped.
pub(crate) fn ending() -> Vec<Unit> {
    let ends = |frame: &Frame| match frame {
        Frame::Unit { unit, doing: Doing::End } => Some(unit.share()),
        _ => None,
    };
    look(|frames| Some(frames.iter().filter_map(ends).collect())).unwrap_or_default()
}

/// Whether the current task or body is about to be dropped by a cancellation (T1). A job is not,
/// and the inside of a shield is not.
pub(crate) fn is_about_to_be_dropped() -> bool {
    let unit = look(|frames| match innermost(frames)? {
        (unit, Doing::Poll(_), _) => Some(unit.share()),
        _ => None,
    });
    unit.is_some_and(|unit| unit.due().is_some()) && shielded_by().is_none()
}

/// The job that runs here, if what runs is one and not a task inside it.
pub(crate) fn current_job() -> Option<Unit> {
    look(|frames| match innermost(frames)? {
        (unit, Doing::Job, _) => Some(unit.share()),
        _ => None,
    })
}

/// Why the current task or job has been cancelled, if it has, and no shield hides it.
pub(crate) fn current_cause() -> Option<CancelCause> {
    let unit = look(|frames| {
        let (unit, ..) = innermost(frames)?;
        unit.node().knows_a_cause().then(|| unit.share())
    })?;
    unit.cause().filter(|_| shielded_by().is_none())
}

/// What covers everything that may cut the current future (C4), and the units among that.
pub(crate) fn covers() -> (Vec<Arc<Cover>>, Vec<Unit>) {
    let (mut covers, mut units) = (Vec::new(), Vec::new());
    look(|frames| {
        for frame in frames {
            match frame {
                Frame::Unit { unit, .. } => units.push(unit.share()),
                Frame::Cutter { cover, .. } => covers.push(cover.get_or_insert_default().clone()),
                Frame::Shield(_) => {}
            }
        }
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
    look(|frames| frames.iter().any(has).then_some(())).is_some()
}

/// Whether the unit is under way here.
pub(crate) fn is_under_way(unit: &Unit) -> bool {
    let is_own = |frame: &Frame| matches!(frame, Frame::Unit { unit: own, .. } if own.is(unit));
    look(|frames| frames.iter().any(is_own).then_some(())).is_some()
}

/// Registers a clean-up with the innermost task, body or child of a local scope; gives it back
/// where there is none.
pub(crate) fn push_cleanup(cleanup: Cleanup) -> Result<(), Cleanup> {
    match cleanups() {
        Some(Owner::Unit(unit)) => unit.cover().push(cleanup),
        Some(Owner::Child(cover)) => cover.push(cleanup),
        None => return Err(cleanup),
    }
    Ok(())
}

/// Whether there is something that would run a clean-up.
pub(crate) fn has_cleanups() -> bool {
    cleanups().is_some()
}

/// Whose clean-ups they are.
enum Owner {
    Unit(Unit),
    Child(Arc<Cover>),
}

fn cleanups() -> Option<Owner> {
    look(|frames| {
        frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Unit { doing: Doing::Job, .. } => Some(None),
            Frame::Unit { unit, .. } => Some(Some(Owner::Unit(unit.share()))),
            Frame::Cutter { cover, is_child: true } => {
                Some(Some(Owner::Child(cover.get_or_insert_default().clone())))
            }
            _ => None,
        })
    })
    .flatten()
}
