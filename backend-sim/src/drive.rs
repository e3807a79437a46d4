//! The driver: takes one step after the other on the thread that made the simulation.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::report;
use crate::scheduler::Shared;
use crate::state::Next;
use crate::trace::UnitId;

/// Who has taken a step.
#[derive(PartialEq, Eq)]
pub(crate) enum Stepped {
    /// It is the main future's turn: the caller polls it, and ends the step.
    Main,
    Other,
}

/// Takes one step.
///
/// # Panics
///
/// If there is none to take, there have been too many, or another thread has meddled.
pub(crate) fn step(shared: &Arc<Shared>, threads_only: bool) -> Stepped {
    match shared.next(threads_only) {
        Next::Main => return Stepped::Main,
        Next::Task(id, mut future, waker) => {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            let rest = match polled {
                Poll::Pending => shared.put_back(id, future),
                Poll::Ready(()) => Some(future),
            };
            if rest.is_some() {
                drop(rest);
                drop(shared.remove(id));
            }
            shared.end_step();
        }
        Next::Thread(id, seat) => {
            if seat.play(shared, id) {
                drop(shared.remove(id));
                shared.something_happened();
            }
            shared.lock().running = None;
        }
        Next::Wake(wakers) => wakers.into_iter().for_each(Waker::wake),
        Next::ShutDown => shut_down(shared),
        Next::Stuck => panic!("{}", report::stuck(shared)),
        Next::Endless => panic!("{}", report::endless(shared)),
        Next::Foreign(text) => panic!("{text}"),
    }
    Stepped::Other
}

/// Takes steps until the condition holds.
pub(crate) fn until(shared: &Arc<Shared>, condition: &mut dyn FnMut() -> bool) {
    let (running, threads_only) = blocked(shared);
    // What this step has done so far may be what a thread waits for.
    shared.something_happened();
    while !condition() {
        step(shared, threads_only);
        shared.lock().running = running;
    }
}

/// Lets one other take a step, if one can.
pub(crate) fn give_way(shared: &Arc<Shared>) {
    let (running, threads_only) = blocked(shared);
    shared.something_happened();
    if shared.can_run(threads_only) {
        step(shared, threads_only);
        shared.lock().running = running;
    }
}

/// Whose step it is, and whether only threads can go on: in a step, that of a task which blocks the driver,
/// and between two steps of a main future, where a destructor does.
fn blocked(shared: &Shared) -> (Option<UnitId>, bool) {
    let state = shared.lock();
    (state.running, state.running.is_some() || state.has_main())
}

/// Drops all tasks and queued jobs, one after the other, those included that this starts.
pub(crate) fn shut_down(shared: &Arc<Shared>) {
    while let Some(unit) = shared.take_one_down() {
        drop(unit);
    }
    shared.something_happened();
}
