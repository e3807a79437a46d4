//! `block_on`: back from a job into async code (B5).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::cancel::{CancelCause, Cancelled, CauseKind};
use crate::group::Unit;
use crate::stack::{current_job, run_waiting};
use crate::sync::atomic::{AtomicBool, Ordering};

/// Waits in a job for a future, on the job's thread: the way back into async code (B5). As
/// `from_thread.run` of Trio and AnyIO.
///
/// The future runs as part of the job: groups that it opens are enclosed by the job's group, the
/// ambient functions use its runtime, and a cancellation of the job drops it where it awaits, unless it
/// is [shielded](crate::shield()) there. What it waits for must not need the job's own thread: the last
/// thread of a pool cannot wait for another job of that pool.
///
/// # Errors
///
/// [`Cancelled`], if the job was cancelled and the future has been dropped. A job returns then.
///
/// # Panics
///
/// Outside a job: where async code runs, one awaits. With the panic of the future.
///
/// # Examples
///
/// ```
/// use anyscope_core::{BoxError, Group, GroupError, Queue, Runtime, block_on};
///
/// // A synchronous producer feeds an asynchronous consumer, no faster than that can take it.
/// async fn lines<R: Runtime>(rt: &R, text: String) -> Result<(), GroupError> {
///     rt.group(async |g| {
///         let queue = Queue::fifo(2);
///         let from = queue.clone();
///         g.try_spawn_blocking(move || {
///             for line in text.lines() {
///                 block_on(queue.put(line.to_owned()))??;
///             }
///             queue.close();
///             Ok::<_, BoxError>(())
///         });
///         while let Some(line) = from.get().await {
///             println!("{}", *line);
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Cancelled> {
    let job = current_job().expect(
        "`block_on` was called outside a job: await the future instead, or give it to a runtime's `run` \
         where no async code runs yet",
    );
    let mut job = job.running();
    let signal = Arc::new(Signal { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(signal.clone());
    let mut future = pin!(future);
    loop {
        let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(value) = run_waiting(poll) {
            return Ok(value);
        }
        if let Some(cause) = wait(&mut job, &waker, &signal) {
            return Err(cause.into());
        }
    }
}

/// Blocks until the future is woken. Why it is to be dropped instead, if it is.
fn wait(job: &mut Unit, waker: &Waker, signal: &Signal) -> Option<CancelCause> {
    if let Some(cause) = job.park(waker) {
        return Some(cause);
    }
    job.node().core().block_until(&mut || signal.woken.load(Ordering::Acquire));
    if !signal.woken.swap(false, Ordering::Acquire) {
        // Nobody will wake it any more: the runtime is gone.
        return Some(CauseKind::Shutdown.into());
    }
    // As of a task: what it would make of a cancellation that has come down to it must not depend on who is
    // quicker.
    job.due()
}

/// Parks the thread until the condition holds. Whoever makes it hold unparks the thread afterwards.
pub(crate) fn park_until(condition: &mut dyn FnMut() -> bool) {
    while !condition() {
        thread::park();
    }
}

struct Signal {
    thread: Thread,
    /// Set before the thread is unparked, and reset by it before it polls: a token that somebody
    /// else has taken, or left, changes nothing. Acquire/Release, and a swap for the reset: what
    /// was done before any of the wake-ups is seen by the poll.
    woken: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
