//! The driver: takes one step after the other on the thread that made the simulation.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

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

/// Takes one step. An error says why there is none to take: nothing can run, there have been too many, or
/// another thread has meddled.
pub(crate) fn step(shared: &Arc<Shared>, threads_only: bool) -> Result<Stepped, String> {
    match shared.next(threads_only) {
        Next::Main => return Ok(Stepped::Main),
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
        Next::Stuck => return Err(report::stuck(shared, threads_only)),
        Next::Endless => return Err(report::endless(shared)),
        Next::Foreign(text) => return Err(text),
    }
    Ok(Stepped::Other)
}

/// Takes steps until the condition holds.
pub(crate) fn until(shared: &Arc<Shared>, condition: &mut dyn FnMut() -> bool) {
    let blocked = blocked(shared);
    // What this step has done so far may be what a thread waits for.
    shared.something_happened();
    while !condition() && others_step(shared, blocked) {}
}

/// Lets one other take a step, if one can.
pub(crate) fn give_way(shared: &Arc<Shared>) {
    let blocked = blocked(shared);
    if shared.give_turn(blocked.1) {
        others_step(shared, blocked);
    }
}

/// Takes a step while the driver is blocked. Not if there is none to take and a panic unwinds already: that
/// is the failure of the run, and a second would abort the process.
///
/// # Panics
///
/// If there is none to take.
fn others_step(shared: &Arc<Shared>, (running, threads_only): (Option<UnitId>, bool)) -> bool {
    let stepped = step(shared, threads_only);
    shared.lock().running = running;
    match stepped {
        Ok(_) => true,
        Err(_) if thread::panicking() => false,
        Err(why) => panic!("{why}"),
    }
}

/// Whose step it is, and whether only threads can go on: in a step, that of a task which blocks the driver,
/// and between two steps of a main future, where a destructor does.
fn blocked(shared: &Shared) -> (Option<UnitId>, bool) {
    let state = shared.lock();
    (state.running, state.running.is_some() || state.has_main())
}

/// Drops all tasks and queued jobs, one after the other, those included that this starts. Those behind a full
/// pool would wait for ever where its threads block for good.
pub(crate) fn shut_down(shared: &Arc<Shared>) {
    while let Some(unit) = shared.take_one_down() {
        drop(unit);
    }
    drop(shared.take_queued());
    shared.something_happened();
}
