//! What some rules cost in safe code by themselves: a group of tasks written by hand that does nothing else.
//!
//! Each task enters a table and leaves it under a lock, and is refused where the group is cancelled or has
//! ended (G1, G10). It has its context (X1). Its panics are caught and come to who closes the group (P1), and
//! its future is gone before it counts as ended, also after a panic or where the runtime drops it (T3, R1). A
//! failure cancels the others (G3), and a cancellation reaches them where they wait, by their wakers in the
//! table (C1). The handle could ask and cancel. No lock is held while wakers are cloned or dropped.
//!
//! What else a group does (names, causes, errors, shields, clean-ups, grace periods, limits, inner groups, a
//! body that is one of its units, what a dropped handle leaves behind) is not here: this is a floor for it.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::Backend;

thread_local! {
    static CURRENT: Cell<Option<Unit>> = const { Cell::new(None) };
}

/// The group. Each task looks at the flag, which therefore shares no line of the cache with what is written.
#[repr(C)]
pub(super) struct Rules {
    before: [u64; 8],
    cancelled: AtomicBool,
    after: [u64; 8],
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
    panic: Option<Payload>,
    closer: Option<Waker>,
}

enum Place {
    Free(u32),
    Taken { waker: Option<Waker>, _id: u64, _location: &'static Location<'static> },
}

/// Awaits one of its tasks.
pub(super) struct Handle<J> {
    /// `None` if it was refused.
    native: Option<J>,
    #[expect(dead_code, reason = "by which it could ask and cancel")]
    unit: Option<Unit>,
}

type Payload = Box<dyn Any + Send>;

impl Rules {
    /// With one count, the body's.
    pub(super) fn new() -> Arc<Self> {
        let (places, panic, closer) = (Vec::new(), None, None);
        let table = Table { live: 1, places, free: 0, ids: 0, failed: false, panic, closer };
        let (cancelled, table) = (AtomicBool::new(false), Mutex::new(table));
        Arc::new(Self { before: [0; 8], cancelled, after: [0; 8], table })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics under the lock")
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    #[track_caller]
    fn enter(self: &Arc<Self>) -> Option<Unit> {
        if self.is_cancelled() {
            return None;
        }
        let key = self.table().enter(Location::caller())?;
        Some(Unit { group: self.clone(), key })
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
        let Some(unit) = self.enter() else {
            return Handle { native: None, unit: None };
        };
        let shared = Unit { group: self.clone(), key: unit.key };
        let native = b.spawn(Task { unit: Some(unit), future: Some(future) });
        Handle { native: Some(native), unit: Some(shared) }
    }

    /// Without a handle.
    #[track_caller]
    pub(super) fn start<B: Backend, F>(self: &Arc<Self>, b: &B, future: F)
    where
        F: Fallible + Send + 'static,
        F::Value: Send + 'static,
    {
        if let Some(unit) = self.enter() {
            B::detach(b.spawn(Task { unit: Some(unit), future: Some(future) }));
        }
    }

    /// Awaits these in order and closes the group, in which none fails.
    pub(super) async fn total<J>(&self, tasks: impl IntoIterator<Item = Handle<J>>) -> u64
    where
        J: Future<Output = Option<u64>> + Unpin,
    {
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("nobody cancels");
        }
        assert!(self.close().await, "no task fails");
        sum
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

    fn panicked(&self, payload: Payload) {
        let later = {
            let mut table = self.table();
            match table.panic {
                None => table.panic.replace(payload),
                Some(_) => Some(payload),
            }
        };
        self.cancel();
        drop(later);
    }

    /// The body has ended: waits until all tasks have. Whether none has failed; a panic goes on here.
    pub(super) async fn close(&self) -> bool {
        self.table().live -= 1;
        poll_fn(|cx| {
            let fresh = cx.waker().clone();
            self.table().poll_closed(fresh)
        })
        .await;
        let (failed, panic) = {
            let mut table = self.table();
            (table.failed, table.panic.take())
        };
        panic.map_or(!failed, |payload| resume_unwind(payload))
    }
}

impl Table {
    fn enter(&mut self, location: &'static Location<'static>) -> Option<u32> {
        if self.live == 0 {
            return None;
        }
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
        Some(key)
    }

    /// Gives its place, to be dropped, and who is to be told that it was the last one.
    fn leave(&mut self, key: u32) -> (Place, Option<Waker>) {
        let free = Place::Free(mem::replace(&mut self.free, key));
        let left = mem::replace(&mut self.places[key as usize], free);
        self.live -= 1;
        (left, if self.live == 0 { self.closer.take() } else { None })
    }

    /// Gives the waker that was there.
    fn park(&mut self, key: u32, fresh: Waker) -> Option<Waker> {
        match &mut self.places[key as usize] {
            Place::Taken { waker, .. } => waker.replace(fresh),
            Place::Free(_) => Some(fresh),
        }
    }

    fn take_wakers(&mut self) -> Vec<Waker> {
        let waker = |place: &mut Place| match place {
            Place::Taken { waker, .. } => waker.take(),
            Place::Free(_) => None,
        };
        self.places.iter_mut().filter_map(waker).collect()
    }

    fn poll_closed(&mut self, fresh: Waker) -> Poll<()> {
        if self.live == 0 {
            return Poll::Ready(());
        }
        self.closer = Some(fresh);
        Poll::Pending
    }
}

/// What a task runs.
pub(super) trait Fallible: Future<Output = Result<Self::Value, Self::Error>> {
    type Value;
    type Error;
}

impl<T, X, F: Future<Output = Result<T, X>>> Fallible for F {
    type Value = T;
    type Error = X;
}

pin_project! {
    struct Task<F> {
        // On the stack while the future is polled.
        unit: Option<Unit>,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Task<F> {
        // Dropped by its runtime before its end.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(unit) = this.unit.take() {
                end_dropped(unit, &mut this.future);
            }
        }
    }
}

/// Drops the future in its frame, catches its panic, and ends its unit.
fn end_dropped<F>(unit: Unit, future: &mut Pin<&mut Option<F>>) {
    let (unit, dropped) = unit.run(|| future.set(None));
    if let Err(payload) = dropped {
        unit.group.panicked(payload);
    }
    unit.end();
}

impl<F: Fallible> Future for Task<F> {
    type Output = Option<F::Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let unit = this.unit.take().expect("it has not ended");
        if unit.group.is_cancelled() {
            end_dropped(unit, &mut this.future);
            return Poll::Ready(None);
        }
        let mut output = None;
        let (unit, ran) = unit.run(|| {
            if let Some(Poll::Ready(ready)) = this.future.as_mut().as_pin_mut().map(|f| f.poll(cx))
            {
                output = Some(ready);
                this.future.set(None);
            }
        });
        if let Err(payload) = ran {
            unit.group.panicked(payload);
            end_dropped(unit, &mut this.future);
            return Poll::Ready(None);
        }
        match output {
            Some(Ok(value)) => {
                unit.end();
                Poll::Ready(Some(value))
            }
            Some(Err(_)) => {
                unit.group.fail();
                unit.end();
                Poll::Ready(None)
            }
            None => {
                let is_cancelled = unit.park(cx.waker());
                *this.unit = Some(unit);
                // The cancellation may have come before the waker was there.
                if is_cancelled { self.poll(cx) } else { Poll::Pending }
            }
        }
    }
}

impl Unit {
    fn run(self, f: impl FnOnce()) -> (Self, Result<(), Payload>) {
        let before = CURRENT.replace(Some(self));
        let ran = catch_unwind(AssertUnwindSafe(f));
        let own = CURRENT.replace(before).expect("what was put there");
        (own, ran)
    }

    /// Leaves its waker. Whether it was cancelled.
    fn park(&self, waker: &Waker) -> bool {
        let fresh = waker.clone();
        let old = self.group.table().park(self.key, fresh);
        drop(old);
        self.group.is_cancelled()
    }

    fn end(self) {
        let (left, closer) = self.group.table().leave(self.key);
        drop(left);
        if let Some(closer) = closer {
            closer.wake();
        }
    }
}

impl<J: Future<Output = Option<T>> + Unpin, T> Future for Handle<J> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut self.native {
            Some(native) => Pin::new(native).poll(cx),
            None => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::{Build, Contender, Setting};

    /// Sums up what holds.
    struct Ends;

    impl Build for Ends {
        fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
            vec![Contender::task("ends", b, |b, _| async move {
                let holds = [fails(&b).await, panics(&b).await, refuses(&b).await];
                holds.into_iter().map(u64::from).sum()
            })]
        }
    }

    async fn fails<B: Backend>(b: &B) -> bool {
        let group = Rules::new();
        let waits = group.spawn(b, pending::<Result<u64, ()>>());
        group.start(b, async { Err::<(), _>("a failure") });
        waits.await.is_none() && !group.close().await
    }

    /// In its context.
    async fn panics<B: Backend>(b: &B) -> bool {
        let group = Rules::new();
        group.start(b, async {
            let own = CURRENT.take();
            let has_context = own.is_some();
            CURRENT.set(own);
            assert!(!has_context, "on purpose");
            Ok::<_, ()>(())
        });
        AssertUnwindSafe(group.close()).catch_unwind().await.is_err()
    }

    async fn refuses<B: Backend>(b: &B) -> bool {
        let group = Rules::new();
        group.close().await && group.spawn(b, async { Ok::<_, ()>(()) }).await.is_none()
    }

    #[test]
    fn it_is_a_group() {
        for setting in [Setting::TokioMt, Setting::SmolGlobal] {
            let (done, sum) = mpsc::channel();
            thread::spawn(move || {
                let [contender] = &setting.build(Ends)[..] else { panic!("one contender") };
                done.send(contender.run(1).expect("it runs everywhere").sum)
            });
            assert_eq!(sum.recv_timeout(Duration::from_secs(60)), Ok(3), "{setting}");
        }
    }
}
