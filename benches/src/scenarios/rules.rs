//! The least that the rules cost in safe code: a group written by hand that can do nothing but what they ask.
//!
//! Each task enters a table and leaves it under a lock (G1, G10), has its context (X1), its panics are caught
//! (P1, P3), its future is gone before it counts as ended (T3), a failure cancels the others (G3), and a
//! cancellation reaches it where it waits, by its waker in the table (C1). Its handle could ask and cancel.
//! What a group has beyond that (names, causes, shields, clean-ups, grace periods, limits, inner groups, what
//! a dropped handle leaves behind) is not here, so that this is a floor under what a group can cost.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use anyscope_core::TaskError;
use pin_project_lite::pin_project;

use crate::Backend;

thread_local! {
    static CURRENT: Cell<Option<Unit>> = const { Cell::new(None) };
}

/// A group that has only what the rules ask.
pub(super) struct Rules {
    cancelled: AtomicBool,
    table: Mutex<Table>,
}

/// One of its tasks.
struct Unit {
    group: Arc<Rules>,
    key: u32,
}

struct Table {
    /// With the body.
    live: usize,
    places: Vec<Place>,
    free: u32,
    ids: u64,
    failed: bool,
    closer: Option<Waker>,
}

enum Place {
    Free(u32),
    Taken { waker: Option<Waker>, _id: u64, _location: &'static Location<'static> },
}

/// Awaits one of its tasks.
pub(super) struct Handle<J> {
    native: J,
    #[expect(dead_code, reason = "by which it could ask and cancel")]
    unit: Unit,
}

impl Rules {
    /// With one count, the body's.
    pub(super) fn new() -> Arc<Self> {
        let (places, closer) = (Vec::new(), None);
        let table = Table { live: 1, places, free: 0, ids: 0, failed: false, closer };
        Arc::new(Self { cancelled: AtomicBool::new(false), table: Mutex::new(table) })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics under the lock")
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    #[track_caller]
    fn enter(self: &Arc<Self>) -> Unit {
        let key = self.table().enter(Location::caller());
        Unit { group: self.clone(), key }
    }

    #[track_caller]
    pub(super) fn spawn<B: Backend, F>(
        self: &Arc<Self>,
        b: &B,
        future: F,
    ) -> Handle<B::Join<Option<F::Value>>>
    where
        F: Fallible + Send + 'static,
        F::Value: Send + 'static,
    {
        let unit = self.enter();
        let shared = Unit { group: self.clone(), key: unit.key };
        let native = b.spawn(Task { unit: Some(unit), future: Some(future) });
        Handle { native, unit: shared }
    }

    /// Without a handle.
    #[track_caller]
    pub(super) fn start<B: Backend, F>(self: &Arc<Self>, b: &B, future: F)
    where
        F: Fallible + Send + 'static,
        F::Value: Send + 'static,
    {
        let unit = self.enter();
        B::detach(b.spawn(Task { unit: Some(unit), future: Some(future) }));
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        let wakers = self.table().take_wakers();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn fail(&self) {
        self.table().failed = true;
        self.cancel();
    }

    /// The body has ended: waits until all tasks have. Whether none has failed.
    pub(super) async fn close(&self) -> bool {
        self.table().live -= 1;
        poll_fn(|cx| self.table().poll_closed(cx)).await;
        !self.table().failed
    }
}

impl Table {
    fn enter(&mut self, location: &'static Location<'static>) -> u32 {
        self.live += 1;
        self.ids += 1;
        let (key, id) = (self.free, self.ids);
        let taken = Place::Taken { waker: None, _id: id, _location: location };
        match self.places.get_mut(key as usize) {
            Some(place) => {
                if let Place::Free(next) = mem::replace(place, taken) {
                    self.free = next;
                }
            }
            None => {
                self.free += 1;
                self.places.push(taken);
            }
        }
        key
    }

    /// Gives who is to be told that this was the last one.
    fn leave(&mut self, key: u32) -> Option<Waker> {
        self.places[key as usize] = Place::Free(mem::replace(&mut self.free, key));
        self.live -= 1;
        if self.live == 0 { self.closer.take() } else { None }
    }

    fn park(&mut self, key: u32, fresh: &Waker) {
        if let Place::Taken { waker, .. } = &mut self.places[key as usize] {
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(fresh)) {
                *waker = Some(fresh.clone());
            }
        }
    }

    fn take_wakers(&mut self) -> Vec<Waker> {
        let waker = |place: &mut Place| match place {
            Place::Taken { waker, .. } => waker.take(),
            Place::Free(_) => None,
        };
        self.places.iter_mut().filter_map(waker).collect()
    }

    fn poll_closed(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.live == 0 {
            return Poll::Ready(());
        }
        self.closer = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What a task runs.
pub(super) trait Fallible: Future<Output = Result<Self::Value, TaskError>> {
    type Value;
}

impl<T, F: Future<Output = Result<T, TaskError>>> Fallible for F {
    type Value = T;
}

pin_project! {
    struct Task<F> {
        // On the stack while the future is polled.
        unit: Option<Unit>,
        #[pin]
        future: Option<F>,
    }
}

/// What came of a poll.
enum Polled<T> {
    Pending,
    Value(T),
    /// It has failed, or was cancelled.
    Nothing,
}

impl<F: Fallible> Task<F> {
    /// In its frame; the future is gone if it is not pending.
    fn poll_as(self: Pin<&mut Self>, unit: Unit, cx: &mut Context<'_>) -> (Unit, Polled<F::Value>) {
        let mut future = self.project().future;
        let is_cancelled = unit.group.is_cancelled();
        let (unit, polled) = unit.run(|| {
            let polled = future.as_mut().as_pin_mut().map(|future| match is_cancelled {
                true => Poll::Ready(None),
                false => future.poll(cx).map(Some),
            });
            if !matches!(polled, Some(Poll::Pending)) {
                future.set(None);
            }
            polled
        });
        let polled = match polled {
            Some(Some(Poll::Pending)) => Polled::Pending,
            Some(Some(Poll::Ready(Some(Ok(value))))) => Polled::Value(value),
            Some(Some(Poll::Ready(None))) => Polled::Nothing,
            _ => {
                unit.group.fail();
                Polled::Nothing
            }
        };
        (unit, polled)
    }
}

impl<F: Fallible> Future for Task<F> {
    type Output = Option<F::Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = self.as_mut().project().unit.take().expect("it has not ended");
        let (unit, polled) = self.as_mut().poll_as(unit, cx);
        let output = match polled {
            Polled::Value(value) => Some(value),
            Polled::Nothing => None,
            Polled::Pending => {
                unit.group.table().park(unit.key, cx.waker());
                let is_cancelled = unit.group.is_cancelled();
                *self.as_mut().project().unit = Some(unit);
                // The cancellation may have come before the waker was there.
                return if is_cancelled { self.poll(cx) } else { Poll::Pending };
            }
        };
        unit.end();
        Poll::Ready(output)
    }
}

impl Unit {
    /// `None` if it has panicked.
    fn run<T>(self, f: impl FnOnce() -> T) -> (Self, Option<T>) {
        let before = CURRENT.replace(Some(self));
        let ran = catch_unwind(AssertUnwindSafe(f)).ok();
        let own = CURRENT.replace(before).expect("what was put there");
        (own, ran)
    }

    fn end(self) {
        let closer = self.group.table().leave(self.key);
        if let Some(closer) = closer {
            closer.wake();
        }
    }
}

impl<J: Future<Output = Option<T>> + Unpin, T> Future for Handle<J> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.native).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::{Build, Contender, Setting};

    struct Failing;

    impl Build for Failing {
        fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
            vec![Contender::task("one fails", b, |b, _| async move {
                let group = Rules::new();
                let waits = group.spawn(&b, async {
                    let never: u64 = pending().await;
                    Ok(never)
                });
                let panics = async { if group_is_on() { panic!("on purpose") } else { Ok(()) } };
                group.start(&b, panics);
                let was_cancelled = waits.await.is_none();
                u64::from(was_cancelled && !group.close().await)
            })]
        }
    }

    /// Whether a task has its context.
    fn group_is_on() -> bool {
        let own = CURRENT.take();
        let is_there = own.is_some();
        CURRENT.set(own);
        is_there
    }

    #[test]
    fn it_is_a_group() {
        for setting in [Setting::TokioMt, Setting::SmolGlobal] {
            let [contender] = &setting.build(Failing)[..] else { panic!("one contender") };
            assert_eq!(contender.run(1).expect("it runs everywhere").sum, 1, "{setting}");
        }
    }
}
