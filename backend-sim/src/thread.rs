//! Units with threads of their own: jobs, and threads of the code under test. One of them or the driver
//! runs at any time, and each hands the turn to the next.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyscope_core::LiveWatch;

use crate::drive;
use crate::hook::Listener;
use crate::scheduler::Shared;
use crate::state::Work;
use crate::trace::{UnitId, UnitKind};

/// Blocks a job, or a thread of the simulation, until the condition holds. Others take their turns
/// meanwhile, and the condition is looked at after each of them: it must be quick and change nothing.
///
/// Called by the thread that drives the simulation it takes steps itself. In a task that blocks all
/// tasks, as it would on a runtime with one thread, and only jobs and threads go on.
///
/// When the simulation is dropped, those that block end by unwinding. What destructors wait for then does
/// not come: there it returns at once. So it does in the destructors that a panic runs, where nothing can
/// make the condition hold. A thread that goes on all the same, in a loop that contains its end, is left
/// behind.
///
/// # Panics
///
/// Outside a simulation; and where it will never hold, because nothing can run any more.
pub fn block_until(mut condition: impl FnMut() -> bool) {
    match here() {
        Some(Here::Driver(shared, _)) => drive::until(&shared, &mut condition),
        Some(Here::Thread(shared, id, seat)) => {
            let mut progressed = true;
            while !condition() {
                shared.block(id, progressed);
                let told = seat.give_back();
                if told == Told::End {
                    return end_if_told(told);
                }
                progressed = false;
            }
        }
        None => panic!("`block_until` was called outside a simulation, where nothing would run"),
    }
}

/// A thread ends when the simulation is gone: by unwinding, as nothing that it waits for will come.
fn end_if_told(told: Told) {
    if told == Told::End && !thread::panicking() {
        resume_unwind(Box::new(OVER));
    }
}

/// Blocks a job, or a thread of the simulation, for so long by the virtual clock; otherwise as
/// [`block_until`].
///
/// # Panics
///
/// Outside a simulation.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use anyscope_core::Group;
/// use anyscope_sim::block_for;
///
/// let elapsed = anyscope_sim::run(1, async |rt| {
///     let jobs = [2, 3].map(|s| rt.spawn_blocking(move || block_for(Duration::from_secs(s))));
///     for job in jobs {
///         job.await.unwrap();
///     }
///     rt.elapsed()
/// });
/// assert_eq!(elapsed, Duration::from_secs(3)); // they slept at the same time
/// ```
pub fn block_for(duration: Duration) {
    let shared = match here() {
        Some(Here::Driver(shared, _) | Here::Thread(shared, ..)) => shared,
        None => panic!("`block_for` was called outside a simulation, which has another clock"),
    };
    let until = shared.lock().later(duration);
    let (key, _) = shared.set_timer(None, until, Waker::noop().clone());
    block_until(|| shared.lock().now >= until);
    shared.unset_timer(key);
}

/// Lets others take a turn: a loop of a job or thread that looks for something again and again must call it,
/// as nothing else would ever happen. [`block_until`] is better.
///
/// # Panics
///
/// Outside a simulation.
pub fn give_way() {
    match here() {
        Some(Here::Driver(shared, _)) => drive::give_way(&shared),
        Some(Here::Thread(shared, id, seat)) => {
            shared.requeue(id);
            end_if_told(seat.give_back());
        }
        None => panic!("`give_way` was called outside a simulation, which has no turns"),
    }
}

/// Starts a thread that takes its turns with the tasks: it runs only when it is chosen, and gives the turn
/// back where it blocks by [`block_until`], and at its end. For code under test that uses threads of its
/// own. When the simulation is gone it is dropped and does not run.
///
/// # Panics
///
/// Outside a simulation.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use anyscope_sim::{block_until, spawn_thread};
///
/// let done = anyscope_sim::run(1, async |_| {
///     let flag = Arc::new(AtomicBool::new(false));
///     let seen = flag.clone();
///     let thread = spawn_thread(move || {
///         block_until(|| seen.load(Ordering::SeqCst));
///         7
///     });
///     flag.store(true, Ordering::SeqCst);
///     thread.join().unwrap()
/// });
/// assert_eq!(done, 7);
/// ```
pub fn spawn_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> SimThread<T> {
    let shared = match here() {
        Some(Here::Driver(shared, _) | Here::Thread(shared, ..)) => shared,
        None => panic!("`spawn_thread` was called outside a simulation"),
    };
    let slot = Arc::new(Mutex::new(None));
    let filled = slot.clone();
    let seat = Seat::new(Box::new(move || {
        let outcome = catch_unwind(AssertUnwindSafe(f));
        *lock(&filled) = Some(outcome);
    }));
    drop(shared.add(UnitKind::Thread, Work::Thread(seat)));
    SimThread(slot)
}

/// Whether this thread belongs to a simulation: as the one that drives it, or as a job or thread of it.
pub fn is_simulated() -> bool {
    here().is_some()
}

/// A thread of [`spawn_thread`]. Dropping it lets the thread run on.
pub struct SimThread<T>(Arc<Mutex<Option<thread::Result<T>>>>);

impl<T: Send + 'static> SimThread<T> {
    /// Blocks until it has ended, as [`block_until`] does.
    ///
    /// # Errors
    ///
    /// What it panicked with. In a destructor, that it will never end: because the simulation is gone, or
    /// because nothing can run while a panic unwinds.
    ///
    /// # Panics
    ///
    /// Where it will never end.
    pub fn join(self) -> thread::Result<T> {
        block_until(|| self.is_finished());
        lock(&self.0).take().unwrap_or_else(|| Err(Box::new(OVER)))
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        lock(&self.0).is_some()
    }
}

impl<T> fmt::Debug for SimThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimThread").finish_non_exhaustive()
    }
}

/// What a thread does, until it has begun.
pub(crate) type Begin = Box<dyn FnOnce() + Send>;

/// Where a unit's thread waits for its turn.
pub(crate) struct Seat {
    turn: Mutex<Turn>,
    changed: Condvar,
    /// How often it was told to end. A counter of its own thread's.
    ends: AtomicUsize,
    begin: Mutex<Option<Begin>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The driver runs, or another thread.
    Elsewhere,
    Here,
    /// The same, and the simulation is gone: to end without waiting for anything.
    LastHere,
    Ended,
    /// It did not end when it was told to, and its thread waits for good.
    LeftBehind,
}

/// What a thread is told with its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    GoOn,
    End,
}

impl Seat {
    pub(crate) fn new(begin: Begin) -> Arc<Self> {
        Arc::new(Self {
            turn: Mutex::new(Turn::Elsewhere),
            changed: Condvar::new(),
            ends: AtomicUsize::new(0),
            begin: Mutex::new(Some(begin)),
            thread: Mutex::new(None),
        })
    }

    pub(crate) fn has_begun(&self) -> bool {
        lock(&self.begin).is_none()
    }

    /// Gives the thread its turn and waits until it gives it back. Whether it has ended.
    pub(crate) fn play(self: &Arc<Self>, shared: &Arc<Shared>, id: UnitId) -> bool {
        self.play_as(shared, id, Turn::Here)
    }

    /// Lets the thread end, in a turn of its own.
    pub(crate) fn end(self: &Arc<Self>, shared: &Arc<Shared>, id: UnitId) {
        if self.has_begun() {
            while !self.play_as(shared, id, Turn::LastHere) {}
        }
    }

    fn play_as(self: &Arc<Self>, shared: &Arc<Shared>, id: UnitId, turn: Turn) -> bool {
        self.begin_thread(shared, id);
        let thread = lock(&self.thread).as_ref().map(|thread| thread.thread().id());
        shared.set_playing(thread);
        *lock(&self.turn) = turn;
        self.changed.notify_all();
        let turn = self.wait_while(|turn| matches!(turn, Turn::Here | Turn::LastHere));
        if turn == Turn::Ended {
            // Joined as well, so that its thread-locals are gone.
            let thread = lock(&self.thread).take();
            let _ = thread.map(JoinHandle::join);
        }
        shared.set_playing(None);
        turn != Turn::Elsewhere
    }

    fn begin_thread(self: &Arc<Self>, shared: &Arc<Shared>, id: UnitId) {
        let Some(begin) = lock(&self.begin).take() else {
            return;
        };
        let (seat, shared, listener) = (self.clone(), shared.clone(), Listener::here());
        let thread = thread::Builder::new().name(format!("simulated {id}")).spawn(move || {
            seat.wait_while(|turn| turn == Turn::Elsewhere);
            let _ends = EndsTurn(seat.clone());
            HERE.with_borrow_mut(|place| place.push(Here::Thread(shared, id, seat)));
            listener.listen_here();
            let _ = catch_unwind(AssertUnwindSafe(begin));
            let here = HERE.with_borrow_mut(Vec::pop);
            drop(here);
        });
        *lock(&self.thread) = Some(thread.expect("the system has room for one more thread"));
    }

    /// Called by the thread itself: others run, until its next turn.
    fn give_back(&self) -> Told {
        if *lock(&self.turn) == Turn::LastHere {
            self.count_end();
            return Told::End;
        }
        match self.pass_turn(Turn::Elsewhere) {
            Turn::LastHere => Told::End,
            _ => Told::GoOn,
        }
    }

    /// Called by the thread itself, which was told to end before, and waits again.
    fn count_end(&self) {
        // Relaxed: only this thread looks at it.
        if self.ends.fetch_add(1, Ordering::Relaxed) >= MOST_ENDS {
            self.pass_turn(Turn::LeftBehind);
        }
    }

    /// Gives what the turn is when it is no longer that.
    fn pass_turn(&self, to: Turn) -> Turn {
        *lock(&self.turn) = to;
        self.changed.notify_all();
        self.wait_while(|turn| turn == to)
    }

    fn wait_while(&self, unchanged: impl Fn(Turn) -> bool) -> Turn {
        let turn = lock(&self.turn);
        let changed = self.changed.wait_while(turn, |turn| unchanged(*turn));
        *changed.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the thread has ended.
struct EndsTurn(Arc<Seat>);

impl Drop for EndsTurn {
    fn drop(&mut self) {
        *lock(&self.0.turn) = Turn::Ended;
        self.0.changed.notify_all();
    }
}

/// What a thread is to a simulation.
#[derive(Clone)]
pub(crate) enum Here {
    Driver(Arc<Shared>, Rc<LiveWatch>),
    Thread(Arc<Shared>, UnitId, Arc<Seat>),
}

thread_local! {
    /// The simulations that this thread drives, the latest last, or the one that it belongs to.
    static HERE: RefCell<Vec<Here>> = const { RefCell::new(Vec::new()) };
}

fn here() -> Option<Here> {
    HERE.try_with(|place| place.borrow().last().cloned()).ok().flatten()
}

/// From now on this thread drives the simulation.
pub(crate) fn enter(shared: &Arc<Shared>, watch: &Rc<LiveWatch>) {
    HERE.with_borrow_mut(|place| place.push(Here::Driver(shared.clone(), watch.clone())));
}

pub(crate) fn leave(shared: &Arc<Shared>) {
    let is_it = |here: &Here| matches!(here, Here::Driver(own, _) if Arc::ptr_eq(own, shared));
    let left = HERE.try_with(|place| {
        let mut place = place.borrow_mut();
        place.iter().rposition(is_it).map(|at| place.remove(at))
    });
    drop(left);
}

/// Calls `f` with what watches the groups of this simulation, on the thread that drives it.
pub(crate) fn with_watch(shared: &Arc<Shared>, f: impl FnOnce(&LiveWatch)) {
    let found = HERE.try_with(|place| {
        place.borrow().iter().find_map(|here| match here {
            Here::Driver(own, watch) if Arc::ptr_eq(own, shared) => Some(watch.clone()),
            _ => None,
        })
    });
    if let Ok(Some(watch)) = found {
        f(&watch);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Far more than destructors wait.
const MOST_ENDS: usize = 10_000;

const OVER: &str = "the simulation is gone";
