//! What runs on this thread right now, innermost last: units, what may cut them, and shields (X2).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::cancel::CancelCause;
use crate::group::{Node, Unit, UnitKey};
use crate::panics::{Payload, catch};
use crate::protect::{Cleanup, Cover, Guarded, Registration};
use crate::sync::WakerId;

crate::sync::thread_local! {
    /// Borrowed only for a push, a pop or a look, never while user code runs.
    static STACK: RefCell<Stack> = const {
        RefCell::new(Stack { innermost: None, outside: 0, outer: Vec::new(), frames: Vec::new() })
    };
}

crate::sync::thread_local! {
    /// What the innermost unit is doing. Apart from it, since it is asked and changed most often, and by this
    /// type alone needs no destructor, for which each access would have to look.
    static DOING: Cell<Option<Doing>> = const { Cell::new(None) };
}

crate::sync::thread_local! {
    /// A cutter without a cover that is under way above all frames, and was not pushed yet: whether it
    /// is a child. Most are over before anybody looks.
    static UNPUSHED: Cell<Option<bool>> = const { Cell::new(None) };
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

/// Another call of ours that is under way.
enum Frame {
    /// Something that may drop what it polls: it does not while its cover is active (C4). `None` until
    /// somebody below needs the cover.
    Cutter {
        cover: Option<Arc<Cover>>,
        /// A child of a local scope, which has clean-ups of its own (S2).
        is_child: bool,
    },
    /// The inside of a shield.
    Shield(Option<Arc<Guarded>>),
}

impl Frame {
    fn guarded(&self) -> Option<&Arc<Guarded>> {
        match self {
            Self::Shield(guarded) => guarded.as_ref(),
            Self::Cutter { .. } => None,
        }
    }

    #[inline]
    fn take_guarded(&mut self) -> Option<Arc<Guarded>> {
        match self {
            Self::Shield(guarded) => guarded.take(),
            Self::Cutter { .. } => None,
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
    if doing().is_some() {
        do_now(Some(Doing::End));
    }
}

/// What the innermost unit is doing.
#[inline]
fn doing() -> Option<Doing> {
    DOING.with(Cell::get)
}

#[inline]
fn do_now(doing: Option<Doing>) {
    DOING.with(|own| own.set(doing));
}

/// Runs `f` below something that may drop it. `cover` is made by whoever below needs it first.
#[inline]
pub(crate) fn run_below<T>(
    cover: &mut Option<Arc<Cover>>,
    is_child: bool,
    f: impl FnOnce() -> T,
) -> T {
    push_cutter(cover.as_ref(), is_child);
    let _below = Below { cover };
    f()
}

#[inline]
fn push_cutter(cover: Option<&Arc<Cover>>, is_child: bool) {
    push_unpushed();
    match cover {
        None => set_unpushed(is_child),
        Some(own) => push(Frame::Cutter { cover: Some(own.clone()), is_child }),
    }
}

/// Polls a future that may be dropped before its end, if it is there still.
#[inline]
pub(crate) fn poll_below<F: Future>(
    cover: &mut Option<Arc<Cover>>,
    future: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Option<Poll<F::Output>> {
    run_below(cover, false, || future.as_pin_mut().map(|future| future.poll(cx)))
}

/// A cutter while it is under way. Takes its cover back, also when what runs below panics.
struct Below<'a> {
    cover: &'a mut Option<Arc<Cover>>,
}

impl Drop for Below<'_> {
    #[inline]
    fn drop(&mut self) {
        // What came after it has gone before it, and had it pushed.
        if take_unpushed().is_none() {
            if let Some(made) = pop_cover() {
                *self.cover = Some(made);
            }
        }
    }
}

fn pop_cover() -> Option<Arc<Cover>> {
    match look_at(|stack| stack.frames.pop())?? {
        Frame::Cutter { cover, .. } => cover,
        Frame::Shield(_) => None,
    }
}

#[inline]
fn set_unpushed(is_child: bool) {
    let _ = UNPUSHED.try_with(|unpushed| unpushed.set(Some(is_child)));
}

#[inline]
fn take_unpushed() -> Option<bool> {
    UNPUSHED.try_with(Cell::take).ok().flatten()
}

/// Comes before each push and each look.
#[inline]
fn push_unpushed() {
    if let Some(is_child) = take_unpushed() {
        push(Frame::Cutter { cover: None, is_child });
    }
}

fn push(frame: Frame) {
    look_at(|stack| stack.frames.push(frame));
}

/// Runs `f` inside the shield in `guarded`, which is put back when it is done, also by a panic.
#[inline]
pub(crate) fn run_shielded<T>(guarded: &mut Option<Arc<Guarded>>, f: impl FnOnce() -> T) -> T {
    push_shield(guarded);
    let _inside = Inside { guarded };
    f()
}

#[inline]
fn push_shield(guarded: &mut Option<Arc<Guarded>>) {
    push_unpushed();
    look_at(|stack| {
        // Made, filled and emptied where it lies: a processor that has just written the parts of
        // something is slow to read them as one.
        stack.frames.resize_with(stack.frames.len() + 1, || Frame::Shield(None));
        if let Some(Frame::Shield(inside)) = stack.frames.last_mut() {
            *inside = guarded.take();
        }
    });
}

/// A shield while its inside is under way: then it is in its frame, if there is a stack.
struct Inside<'a> {
    guarded: &'a mut Option<Arc<Guarded>>,
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.guarded.is_none() {
            *self.guarded = look_at(|stack| {
                let own = stack.frames.last_mut().and_then(Frame::take_guarded);
                stack.frames.truncate(stack.frames.len() - 1);
                own
            })
            .flatten();
        }
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

/// The group that a group opened here belongs to, and the unit that opens it.
pub(crate) fn enclosing() -> Option<(Arc<Node>, UnitKey)> {
    look(|stack| stack.innermost.as_ref().map(|own| (own.node().clone(), own.key())))
}

/// The innermost shield that is still active, if one is inside the current unit.
pub(crate) fn shielded_by() -> Option<Arc<Guarded>> {
    look(|stack| stack.inside().iter().rev().find_map(Frame::guarded).cloned())
        .filter(|guarded| guarded.is_active())
}

/// How many frames are under way on this thread.
pub(crate) fn frames() -> usize {
    look(|stack| Some(stack.frames.len())).unwrap_or(0)
}

/// Whether what runs is below a child of a local scope, the first after so many frames, that no shield
/// protects: around what runs, or beside it.
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

/// The innermost unit.
#[inline]
fn innermost() -> Option<Unit> {
    look(|stack| stack.innermost.as_ref().map(Unit::share))
}

/// The same, if it does what `is_it` says.
#[inline]
fn innermost_if(is_it: impl FnOnce(Doing) -> bool) -> Option<Unit> {
    if doing().is_some_and(is_it) { innermost() } else { None }
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

/// Polls, in a job, the future for which it waits.
pub(crate) fn run_waiting<T>(f: impl FnOnce() -> T) -> T {
    let _before = Before(replace_doing(Doing::Waits));
    f()
}

fn replace_doing(doing: Doing) -> Option<Doing> {
    DOING.with(|own| own.get().and_then(|_| own.replace(Some(doing))))
}

/// What the innermost unit did before, and does again after this, also after a panic.
struct Before(Option<Doing>);

impl Drop for Before {
    fn drop(&mut self) {
        self.0.map(replace_doing);
    }
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

/// Registers a clean-up with the innermost task, body or child of a local scope; gives it back
/// where there is none.
pub(crate) fn push_cleanup(cleanup: Cleanup) -> Result<Registration, Cleanup> {
    match cleanups() {
        Some(Owner::Unit(unit)) => Ok(unit.cover().push(cleanup)),
        Some(Owner::Child(cover)) => Ok(cover.push(cleanup)),
        None => Err(cleanup),
    }
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
    look(|stack| {
        let child = stack.inside_mut().iter_mut().rev().find_map(|frame| match frame {
            Frame::Cutter { cover, is_child: true } => Some(cover.get_or_insert_default().clone()),
            _ => None,
        });
        let unit = stack.innermost.as_ref().filter(|_| !doing().is_some_and(is_jobs));
        child.map(Owner::Child).or_else(|| unit.map(|own| Owner::Unit(own.share())))
    })
}
