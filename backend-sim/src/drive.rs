//! The driver: takes one step after the other on the thread that made the simulation.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::report;
use crate::scheduler::Shared;
use crate::state::Next;

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

/// Takes steps until the condition holds. In a step, that of a task which blocks the driver, only threads
/// can go on.
pub(crate) fn until(shared: &Arc<Shared>, condition: &mut dyn FnMut() -> bool) {
    let running = shared.lock().running;
    // What this step has done so far may be what a thread waits for.
    shared.something_happened();
    while !condition() {
        step(shared, running.is_some());
        shared.lock().running = running;
    }
}

/// Lets one other take a step, if one can.
pub(crate) fn give_way(shared: &Arc<Shared>) {
    let running = shared.lock().running;
    shared.something_happened();
    if shared.can_run(running.is_some()) {
        step(shared, running.is_some());
        shared.lock().running = running;
    }
}

/// Drops all tasks and queued jobs, one after the other, those included that this starts.
pub(crate) fn shut_down(shared: &Arc<Shared>) {
    while let Some(unit) = shared.take_one_down() {
        drop(unit);
    }
    shared.something_happened();
}
