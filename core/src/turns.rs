//! Turns: who may go on, and who waits for it, in the order of asking. What the semaphore and the
//! queue are made of.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, drop_waker, lock, wake};

/// A number of turns. One that is given goes to the one who has waited longest, at once and for
/// certain: nobody who comes later can take it before (W8). Part of a state under a lock; wakers are
/// called by [`update`] after it was released.
pub(crate) struct Turns {
    /// Fewer than the one who has waited longest wants, if anybody waits.
    free: usize,
    /// How many of those that are out are withdrawn when they come back.
    owed: usize,
    /// What is free or granted can still be taken; then nothing comes any more.
    closed: bool,
    waiting: BTreeMap<u64, Waiter>,
    /// Were given so many turns, and have not been polled since.
    granted: BTreeMap<u64, usize>,
    next: u64,
}

struct Waiter {
    /// How many it waits for.
    many: usize,
    waker: Waker,
}

/// There will be no further turns.
pub(crate) struct NoMore;

impl Turns {
    pub(crate) fn new(free: usize) -> Self {
        let (waiting, granted) = (BTreeMap::new(), BTreeMap::new());
        Self { free, owed: 0, closed: false, waiting, granted, next: 0 }
    }

    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// Takes so many turns, if they are free and nobody waits.
    pub(crate) fn take(&mut self, many: usize) -> bool {
        let takes = self.waiting.is_empty() && self.free >= many;
        self.free -= if takes { many } else { 0 };
        takes
    }

    /// Gives a turn to the one who has waited longest, or leaves it free.
    pub(crate) fn give(&mut self, wakes: &mut Vec<Waker>) {
        self.add(1, wakes);
    }

    /// Gives so many turns, or takes back that so many are to be withdrawn.
    pub(crate) fn add(&mut self, turns: usize, wakes: &mut Vec<Waker>) {
        let kept = turns - turns.min(self.owed);
        self.owed -= turns - kept;
        self.free += kept;
        self.serve(wakes);
    }

    /// Gives what is free to those who have waited longest, as far as it goes.
    fn serve(&mut self, wakes: &mut Vec<Waker>) {
        while let Some(first) = self.waiting.first_entry() {
            if first.get().many > self.free {
                return;
            }
            let (ticket, Waiter { many, waker }) = first.remove_entry();
            self.free -= many;
            self.granted.insert(ticket, many);
            wakes.push(waker);
        }
    }

    /// Withdraws so many turns: those that are free at once, the others when they come back.
    pub(crate) fn withdraw(&mut self, turns: usize) {
        let taken = turns.min(self.free);
        self.free -= taken;
        self.owed += turns - taken;
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Those who wait are told that there is no more, once nobody can pass a turn on to them.
    pub(crate) fn close(&mut self, wakes: &mut Vec<Waker>) {
        self.closed = true;
        self.dismiss(wakes);
    }

    /// Nobody has any use for a turn any more: all who wait are told, and those who were given one and have
    /// not been polled since.
    pub(crate) fn end(&mut self, wakes: &mut Vec<Waker>) {
        self.granted.clear();
        self.close(wakes);
    }

    /// From now on they wait again. Those who have been told go.
    pub(crate) fn reopen(&mut self) {
        self.closed = false;
    }

    fn dismiss(&mut self, wakes: &mut Vec<Waker>) {
        if self.closed && self.granted.is_empty() {
            wakes.extend(std::mem::take(&mut self.waiting).into_values().map(|it| it.waker));
        }
    }

    /// `waker` is put in the place of the one that is there, which comes back in it.
    fn poll(
        &mut self,
        ticket: &mut Option<u64>,
        many: usize,
        waker: &mut Option<Waker>,
        wakes: &mut Vec<Waker>,
    ) -> Poll<Result<(), NoMore>> {
        if let Some(known) = ticket {
            if self.granted.remove(known).is_some() {
                self.dismiss(wakes);
                return Poll::Ready(Ok(()));
            }
            let Some(waiting) = self.waiting.get_mut(known) else {
                return Poll::Ready(Err(NoMore));
            };
            *waker = waker.take().map(|fresh| std::mem::replace(&mut waiting.waker, fresh));
            return Poll::Pending;
        }
        if self.take(many) {
            return Poll::Ready(Ok(()));
        }
        if self.closed && self.granted.is_empty() {
            return Poll::Ready(Err(NoMore));
        }
        self.waiting.extend(waker.take().map(|waker| (self.next, Waiter { many, waker })));
        *ticket = Some(self.next);
        self.next += 1;
        Poll::Pending
    }

    /// One who waited goes away. What it had been given is passed on, and so is what was not enough for it.
    fn leave(&mut self, ticket: u64, wakes: &mut Vec<Waker>) -> Option<Waker> {
        if let Some(many) = self.granted.remove(&ticket) {
            self.add(many, wakes);
            self.dismiss(wakes);
            return None;
        }
        let left = self.waiting.remove(&ticket);
        self.serve(wakes);
        left.map(|it| it.waker)
    }
}

/// Changes a state under its lock, and then calls the wakers that were collected.
pub(crate) fn update<S, T>(
    state: &Mutex<S>,
    change: impl FnOnce(&mut S, &mut Vec<Waker>) -> T,
) -> T {
    let mut wakes = Vec::new();
    let value = change(&mut lock(state), &mut wakes);
    wakes.into_iter().for_each(wake);
    value
}

/// Waits for so many turns. Dropped before it is ready, it has taken none.
pub(crate) struct WaitTurn<'a, S> {
    state: &'a Mutex<S>,
    turns: fn(&mut S) -> &mut Turns,
    many: usize,
    /// While it waits, or has been given its turn and not been polled since.
    ticket: Option<u64>,
}

impl<'a, S> WaitTurn<'a, S> {
    pub(crate) fn new(state: &'a Mutex<S>, turns: fn(&mut S) -> &mut Turns) -> Self {
        Self::of_many(state, turns, 1)
    }

    pub(crate) fn of_many(
        state: &'a Mutex<S>,
        turns: fn(&mut S) -> &mut Turns,
        many: usize,
    ) -> Self {
        Self { state, turns, many, ticket: None }
    }
}

impl<S> Future for WaitTurn<'_, S> {
    type Output = Result<(), NoMore>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { state, turns, many, ticket } = &mut *self;
        let mut waker = Some(cx.waker().clone());
        let polled =
            update(state, |state, wakes| turns(state).poll(ticket, *many, &mut waker, wakes));
        drop_waker(waker);
        if polled.is_ready() {
            self.ticket = None;
        }
        polled
    }
}

impl<S> Drop for WaitTurn<'_, S> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let turns = self.turns;
            drop_waker(update(self.state, |state, wakes| turns(state).leave(ticket, wakes)));
        }
    }
}
