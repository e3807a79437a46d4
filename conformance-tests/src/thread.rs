//! Threads as cases use them: those of `std`, or those of a runtime that decides when each of them runs.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

pub(crate) use std::thread::{ThreadId, current};

use crate::probe::BOUND;

/// What a runtime that decides when threads run offers in their place. A harness gives it once, to
/// [`use_turns`].
pub trait Turns: Send + Sync {
    /// Whether this thread is one of its own, or drives it.
    fn is_here(&self) -> bool;

    /// Blocks this thread until the condition holds, and lets others run meanwhile.
    fn block_until(&self, condition: &mut dyn FnMut() -> bool);

    /// Blocks this thread for so long.
    fn block_for(&self, duration: Duration);

    /// Lets others take a turn.
    fn give_way(&self);

    /// Starts a thread.
    fn spawn(&self, f: Box<dyn FnOnce() + Send>);
}

static TURNS: OnceLock<Box<dyn Turns>> = OnceLock::new();

/// Has the threads of cases take turns as this says, in the whole process, wherever it
/// [is there](Turns::is_here).
pub fn use_turns(turns: impl Turns + 'static) {
    let _ = TURNS.set(Box::new(turns));
}

fn turns() -> Option<&'static dyn Turns> {
    TURNS.get().map(|turns| &**turns).filter(|turns| turns.is_here())
}

/// A thread of [`spawn`].
pub(crate) struct JoinHandle<T>(Kind<T>);

enum Kind<T> {
    Real(std::thread::JoinHandle<T>),
    InTurns(Arc<Mutex<Option<std::thread::Result<T>>>>),
}

pub(crate) fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let Some(turns) = turns() else {
        return JoinHandle(Kind::Real(std::thread::spawn(f)));
    };
    let slot = Arc::new(Mutex::new(None));
    let filled = slot.clone();
    turns.spawn(Box::new(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        *filled.lock().unwrap() = Some(outcome);
    }));
    JoinHandle(Kind::InTurns(slot))
}

impl<T> JoinHandle<T> {
    pub(crate) fn join(self) -> std::thread::Result<T> {
        match self.0 {
            Kind::Real(thread) => thread.join(),
            Kind::InTurns(slot) => {
                block_until("a thread has ended", || slot.lock().unwrap().is_some());
                slot.lock().unwrap().take().expect("it has ended")
            }
        }
    }
}

/// Lets other threads run.
pub(crate) fn yield_now() {
    match turns() {
        Some(turns) => turns.give_way(),
        None => std::thread::yield_now(),
    }
}

/// The same where threads run at the same time and none gives its core away.
pub(crate) fn spin() {
    match turns() {
        Some(turns) => turns.give_way(),
        None => std::hint::spin_loop(),
    }
}

pub(crate) fn sleep(duration: Duration) {
    match turns() {
        Some(turns) => turns.block_for(duration),
        None => std::thread::sleep(duration),
    }
}

/// Blocks the thread until the condition holds, up to the bound of all waits.
pub(crate) fn block_until(what: &str, mut condition: impl FnMut() -> bool) {
    if let Some(turns) = turns() {
        return turns.block_until(&mut condition);
    }
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether threads take turns here.
pub(crate) fn in_turns() -> bool {
    turns().is_some()
}
