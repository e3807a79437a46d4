//! A runtime around another one, for output that is the same each time: one task runs at a time, in
//! the order in which they were woken, and when none is due the clock moves on to the next timer.
//!
//! Tasks and jobs are started, polled and dropped by the runtime inside, on its threads; here they
//! only wait for their turn. Timers of one instant fire in the order in which they were set. That is
//! how asyncio goes about it, except that nobody waits for the time to pass.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyscope::{
    AnyRuntime, Blocking, CpuPool, Group, Job, RemoteHandle, Root, Runtime, Sleep, Spawner, Timer,
    remote,
};

/// The runtime. Clones share the turns and the clock.
#[derive(Clone)]
pub(crate) struct Lockstep {
    inner: AnyRuntime,
    turns: Arc<Turns>,
}

impl Lockstep {
    pub(crate) fn around(runtime: impl Runtime) -> Self {
        Self { inner: AnyRuntime::new(runtime), turns: Arc::default() }
    }

    /// A future that waits for its turns: for the main one, which the runtime's `run` polls.
    pub(crate) fn in_turn<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Step::new(&self.turns, future)
    }

    /// Runs a job on one of the pools. It is started from a thread of no task, so that it does not
    /// belong to the caller's group a second time.
    fn launch(&self, job: Job, start: impl FnOnce(&AnyRuntime, Box<dyn FnOnce() + Send>) + Send) {
        let player = Player::new(&self.turns);
        player.clone().wake();
        let in_turn = Box::new(move || {
            player.wait_for_turn();
            player.turns.play(|| job.run());
        });
        thread::scope(|scope| drop(scope.spawn(|| start(&self.inner, in_turn))));
    }
}

impl Spawner for Lockstep {
    type Handle<T: Send + 'static> = RemoteHandle<T>;

    /// The handle is woken during the task's last turn, before the clock can move on.
    fn start<F>(&self, future: F) -> RemoteHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (future, handle) = remote(future);
        drop(self.inner.start(Step::new(&self.turns, future)));
        handle
    }

    fn root(&self) -> &Root {
        self.inner.root()
    }

    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        self.inner.within(f)
    }
}

impl Blocking for Lockstep {
    fn run_blocking(&self, job: Job) {
        self.launch(job, |inner, job| drop(inner.spawn_blocking(job)));
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        Self { inner: self.inner.with_blocking_threads(threads), ..self.clone() }
    }
}

impl CpuPool for Lockstep {
    fn run_cpu(&self, job: Job) {
        self.launch(job, |inner, job| drop(inner.spawn_cpu(job)));
    }
}

impl Timer for Lockstep {
    type Sleep = Alarm;

    fn sleep_until(&self, deadline: Instant) -> Alarm {
        Alarm { turns: self.turns.clone(), deadline, key: None }
    }

    fn now(&self) -> Instant {
        lock(&self.turns.0).now
    }
}

/// Blocks the thread of a job or task: by the clock of its runtime where that is ours.
pub(crate) fn block_for(duration: Duration) {
    match PLAYING.with_borrow(Clone::clone) {
        Some(turns) => turns.block_for(duration),
        None => thread::sleep(duration),
    }
}

/// Whose turn it is, and what time.
#[derive(Default)]
struct Turns(Mutex<State>);

struct State {
    now: Instant,
    /// Somebody has the turn, or a timer is firing. Whoever sets it sees to it that it is unset.
    taken: bool,
    due: VecDeque<Arc<Player>>,
    /// By deadline, then in the order in which they were set.
    timers: BTreeMap<(Instant, u64), Waker>,
    timers_set: u64,
}

impl Default for State {
    fn default() -> Self {
        let (due, timers) = Default::default();
        Self { now: Instant::now(), taken: false, due, timers, timers_set: 0 }
    }
}

enum Next {
    Turn(Arc<Player>),
    Timer(Waker),
}

impl Turns {
    /// Runs `turn`, which the caller has got, and passes the turn on, also if it panics.
    fn play<T>(self: &Arc<Self>, turn: impl FnOnce() -> T) -> T {
        struct Playing(Arc<Turns>, Option<Arc<Turns>>);
        impl Drop for Playing {
            fn drop(&mut self) {
                PLAYING.set(self.1.take());
                self.0.end_turn();
            }
        }
        let _playing = Playing(self.clone(), PLAYING.replace(Some(self.clone())));
        turn()
    }

    fn end_turn(&self) {
        lock(&self.0).taken = false;
        self.go_on();
    }

    /// Gives the turn to the next, if nobody has it.
    fn go_on(&self) {
        while let Some(next) = self.next() {
            match next {
                Next::Turn(player) if player.give_turn() => return,
                Next::Turn(_) => {}
                Next::Timer(waker) => waker.wake(),
            }
            lock(&self.0).taken = false;
        }
    }

    fn next(&self) -> Option<Next> {
        let mut state = lock(&self.0);
        if state.taken {
            return None;
        }
        let next = match state.due.pop_front() {
            Some(player) => Next::Turn(player),
            None => {
                let ((deadline, _), waker) = state.timers.pop_first()?;
                state.now = state.now.max(deadline);
                Next::Timer(waker)
            }
        };
        state.taken = true;
        Some(next)
    }

    /// Called by whoever has the turn. It comes back after the time.
    fn block_for(self: &Arc<Self>, duration: Duration) {
        let player = Player::new(self);
        let deadline = lock(&self.0).now + duration;
        self.set_timer(deadline, Waker::from(player.clone()));
        self.end_turn();
        player.wait_for_turn();
    }

    fn set_timer(&self, deadline: Instant, waker: Waker) -> (Instant, u64) {
        let mut state = lock(&self.0);
        state.timers_set += 1;
        let key = (deadline, state.timers_set);
        state.timers.insert(key, waker);
        key
    }
}

/// A task, or a thread that runs a job or blocks. Its waker puts it in the line.
struct Player {
    turns: Arc<Turns>,
    seat: Mutex<Seat>,
    /// Notified when a thread gets the turn.
    thread: Condvar,
}

#[derive(Default)]
struct Seat {
    in_line: bool,
    has_turn: bool,
    /// Has ended, and takes no turn.
    gone: bool,
    /// The task's waker, once the runtime inside has polled it.
    native: Option<Waker>,
}

impl Player {
    fn new(turns: &Arc<Turns>) -> Arc<Self> {
        let (seat, thread) = Default::default();
        Arc::new(Self { turns: turns.clone(), seat, thread })
    }

    /// `false` if it is gone.
    fn give_turn(&self) -> bool {
        let mut seat = lock(&self.seat);
        if seat.gone {
            return false;
        }
        seat.has_turn = true;
        let native = seat.native.clone();
        drop(seat);
        self.thread.notify_one();
        native.into_iter().for_each(Waker::wake);
        true
    }

    fn wait_for_turn(&self) {
        let mut seat = lock(&self.seat);
        while !seat.take_turn() {
            seat = self.thread.wait(seat).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// It takes no turn any more. Whether it had one.
    fn leave(&self) -> bool {
        let mut seat = lock(&self.seat);
        seat.gone = true;
        seat.take_turn()
    }
}

impl Seat {
    fn take_turn(&mut self) -> bool {
        self.in_line &= !self.has_turn;
        std::mem::take(&mut self.has_turn)
    }
}

impl Wake for Player {
    fn wake(self: Arc<Self>) {
        if !std::mem::replace(&mut lock(&self.seat).in_line, true) {
            lock(&self.turns.0).due.push_back(self.clone());
            self.turns.go_on();
        }
    }
}

/// A future that is polled when its turn has come; in the line from the beginning.
struct Step<F: Future> {
    player: Arc<Player>,
    future: Pin<Box<F>>,
}

impl<F: Future> Step<F> {
    fn new(turns: &Arc<Turns>, future: F) -> Self {
        let player = Player::new(turns);
        player.clone().wake();
        Self { player, future: Box::pin(future) }
    }
}

impl<F: Future> Future for Step<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let player = self.player.clone();
        let mut seat = lock(&player.seat);
        seat.native = Some(cx.waker().clone());
        if !seat.take_turn() {
            return Poll::Pending;
        }
        drop(seat);
        let waker = Waker::from(player.clone());
        player.turns.play(|| {
            let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                player.leave();
            }
            polled
        })
    }
}

impl<F: Future> Drop for Step<F> {
    fn drop(&mut self) {
        if self.player.leave() {
            self.player.turns.end_turn();
        }
    }
}

/// A timer by the clock that moves on when nobody is due.
pub(crate) struct Alarm {
    turns: Arc<Turns>,
    deadline: Instant,
    key: Option<(Instant, u64)>,
}

impl Alarm {
    fn unset(&mut self) {
        if let Some(key) = self.key.take() {
            let waker = lock(&self.turns.0).timers.remove(&key);
            drop(waker);
        }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if lock(&self.turns.0).now >= self.deadline {
            return Poll::Ready(());
        }
        match self.key {
            Some(key) => drop(lock(&self.turns.0).timers.insert(key, cx.waker().clone())),
            None => self.key = Some(self.turns.set_timer(self.deadline, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Sleep for Alarm {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.unset();
        self.deadline = deadline;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.unset();
    }
}

thread_local! {
    /// The turns that the code on this thread is part of.
    static PLAYING: RefCell<Option<Arc<Turns>>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
