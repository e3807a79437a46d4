//! Random programs of children that yield, wait, spawn, cancel, fail, panic and await each other, in
//! scopes that run to their end or are dropped at some poll. Whatever happens: each future, output
//! and callback goes exactly once, nothing is alive after the scope, no failure is lost.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, FirstSuccess, LocalHandle, PanicPolicy, Scope, Supervise, panic_message, scope,
};

use crate::support::{Driven, Outcome, boom, take_lost, texts};

#[test]
fn s2_random_programs_run_to_their_end() {
    for seed in 0..SEEDS {
        Case::new(seed, None).check();
    }
}

#[test]
fn s2_random_programs_are_dropped_at_some_poll() {
    for seed in 0..SEEDS {
        Case::new(seed, Some(seed as usize % 12)).check();
    }
}

const SEEDS: u64 = 4_000;
const MOST_POLLS: usize = 10_000;

/// What the children of one program share, and what they did.
struct World {
    seed: u64,
    rng: Cell<u64>,
    spawns_left: Cell<usize>,
    next_serial: Cell<usize>,
    scope: RefCell<Option<Scope<'static>>>,
    handles: RefCell<Vec<(usize, LocalHandle<Alive>)>>,
    parked: RefCell<Vec<Waker>>,
    /// Futures and outputs that are alive.
    futures: Cell<isize>,
    outputs: Cell<isize>,
    /// Callbacks that are still to be called.
    callbacks: Cell<isize>,
    /// Texts of errors and panics, in order of occurrence; those of panics once more.
    raised: RefCell<Vec<String>>,
    panics: RefCell<Vec<String>>,
}

impl World {
    fn random(&self, below: u64) -> u64 {
        let next = self.rng.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.rng.set(next);
        (next >> 33) % below
    }

    fn scope(&self) -> Scope<'static> {
        self.scope.borrow().clone().expect("the body has set it")
    }

    fn text(&self, what: &str) -> String {
        let text = format!("{what} {}", self.raised.borrow().len());
        self.raised.borrow_mut().push(text.clone());
        text
    }

    fn panic(&self, what: &str) -> ! {
        let text = self.text(what);
        self.panics.borrow_mut().push(text.clone());
        std::panic::resume_unwind(Box::new(text))
    }

    /// Spawns a child with a callback; keeps its handle or drops it.
    fn spawn(self: &Rc<Self>) {
        let Some(left) = self.spawns_left.get().checked_sub(1) else { return };
        self.spawns_left.set(left);
        let child = Life::new(self);
        let (serial, world) = (child.serial, self.clone());
        add(&self.callbacks, 1);
        let task = self.scope().task(child).on_done(move |_| add(&world.callbacks, -1));
        let handle = task.spawn();
        if self.random(4) > 0 {
            self.handles.borrow_mut().push((serial, handle));
        }
    }

    /// The handle of a child that was made after `serial`, so that nobody waits in a circle.
    fn handle_after(&self, serial: usize) -> Option<LocalHandle<Alive>> {
        let mut handles = self.handles.borrow_mut();
        let at = handles.iter().position(|(other, _)| *other > serial)?;
        Some(handles.swap_remove(at).1)
    }

    fn cancel_one(&self) {
        let handles = self.handles.borrow();
        if !handles.is_empty() {
            handles[self.random(handles.len() as u64) as usize].1.cancel();
        }
    }

    fn wake_some(&self) -> bool {
        let mut parked = std::mem::take(&mut *self.parked.borrow_mut());
        let any = !parked.is_empty();
        if any {
            let at = self.random(parked.len() as u64) as usize;
            parked.split_off(at).into_iter().for_each(Waker::wake);
            self.parked.borrow_mut().append(&mut parked);
        }
        any
    }
}

fn add(cell: &Cell<isize>, n: isize) {
    cell.set(cell.get() + n);
}

/// An output that is counted.
struct Alive(Rc<World>);

impl Alive {
    fn new(world: &Rc<World>) -> Self {
        add(&world.outputs, 1);
        Self(world.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        add(&self.0.outputs, -1);
    }
}

/// A child that does something random at each poll.
struct Life {
    world: Rc<World>,
    serial: usize,
    steps_left: u64,
    awaits: Option<LocalHandle<Alive>>,
    /// Whether its destructor may panic: it was polled, and has not failed.
    may_panic: bool,
    ended: bool,
}

impl Life {
    fn new(world: &Rc<World>) -> Self {
        add(&world.futures, 1);
        let serial = world.next_serial.get();
        world.next_serial.set(serial + 1);
        let steps_left = world.random(8);
        Self {
            world: world.clone(),
            serial,
            steps_left,
            awaits: None,
            may_panic: false,
            ended: false,
        }
    }

    fn end<T>(&mut self, outcome: Result<T, BoxError>) -> Poll<Result<T, BoxError>> {
        self.ended = true;
        self.may_panic &= outcome.is_ok();
        Poll::Ready(outcome)
    }

    /// `Continue` where it goes on at once.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<Poll<Result<Alive, BoxError>>> {
        let world = self.world.clone();
        if let Some(handle) = &mut self.awaits {
            match Pin::new(handle).poll(cx) {
                Poll::Pending => return Some(Poll::Pending),
                Poll::Ready(Err(error)) if world.random(3) == 0 => {
                    return Some(self.end(Err(error.into())));
                }
                Poll::Ready(_) => self.awaits = None,
            }
        }
        let Some(left) = self.steps_left.checked_sub(1) else {
            return Some(self.end(Ok(Alive::new(&world))));
        };
        self.steps_left = left;
        match world.random(32) {
            0 => return Some(self.end(Err(boom(&world.text("error"))))),
            1 => {
                self.may_panic = false;
                self.ended = true;
                world.panic("panic");
            }
            2 => world.scope().cancel(),
            3..6 => world.cancel_one(),
            6..14 => world.spawn(),
            14..19 => self.awaits = world.handle_after(self.serial),
            19..25 => {
                cx.waker().wake_by_ref();
                return Some(Poll::Pending);
            }
            25..31 => {
                world.parked.borrow_mut().push(cx.waker().clone());
                return Some(Poll::Pending);
            }
            _ => return Some(self.end(Ok(Alive::new(&world)))),
        }
        None
    }
}

impl Future for Life {
    type Output = Result<Alive, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.ended, "seed {}: polled after its end", self.world.seed);
        self.may_panic = true;
        loop {
            if let Some(polled) = self.step(cx) {
                return polled;
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let world = self.world.clone();
        add(&world.futures, -1);
        match world.random(24) {
            0 if self.may_panic => world.panic("destructor"),
            1 => world.scope().cancel(),
            2 => world.cancel_one(),
            3..5 => world.spawn(),
            _ => {}
        }
    }
}

/// One program, with the options of its scope.
struct Case {
    world: Rc<World>,
    drop_at: Option<usize>,
    first_success: bool,
    captures: bool,
}

/// How a scope came to its end.
enum Ended {
    Returned(Outcome<Alive>),
    Raised(String),
    Dropped,
}

impl Case {
    fn new(seed: u64, drop_at: Option<usize>) -> Self {
        let world = World {
            seed,
            rng: Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            spawns_left: Cell::new(60),
            next_serial: Cell::new(0),
            scope: RefCell::default(),
            handles: RefCell::default(),
            parked: RefCell::default(),
            futures: Cell::new(0),
            outputs: Cell::new(0),
            callbacks: Cell::new(0),
            raised: RefCell::default(),
            panics: RefCell::default(),
        };
        let (first_success, captures) = (seed % 3 == 2, seed % 2 == 0);
        Self { world: Rc::new(world), drop_at, first_success, captures }
    }

    fn check(self) {
        take_lost();
        let ended = self.run();
        let world = &self.world;
        let seed = world.seed;
        assert_eq!(world.futures.get(), 0, "seed {seed}: a future outlived its scope");
        assert_eq!(world.callbacks.get(), 0, "seed {seed}: callbacks not called once");
        assert!(world.scope().try_spawn(async { Ok(()) }).is_err(), "seed {seed}: not closed");
        self.check_failures(ended);
        world.handles.take();
        world.parked.take();
        world.scope.take();
        assert_eq!(world.outputs.get(), 0, "seed {seed}: an output was kept");
        assert_eq!(Rc::strong_count(world), 1, "seed {seed}: something is kept");
    }

    fn run(&self) -> Ended {
        let world = self.world.clone();
        let scope = scope(move |s| {
            *world.scope.borrow_mut() = Some(s);
            let body = Life::new(&world);
            for _ in 0..world.random(6) {
                world.spawn();
            }
            body
        });
        let panics = if self.captures { PanicPolicy::Capture } else { PanicPolicy::Resume };
        let scope = scope.panics(panics);
        match self.world.seed % 3 {
            0 => self.drive(Driven::new(scope)),
            1 => self.drive(Driven::new(scope.policy(Supervise))),
            _ => self.drive(Driven::new(scope.policy(FirstSuccess::default()))),
        }
    }

    fn drive<F: Future<Output = Outcome<Alive>>>(&self, mut scope: Driven<F>) -> Ended {
        let (world, seed) = (&self.world, self.world.seed);
        // The scope exists from its first poll.
        for at in 0..MOST_POLLS {
            if at > 0 && self.drop_at == Some(at) {
                return Ended::Dropped;
            }
            match catch_unwind(AssertUnwindSafe(|| scope.poll())) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(outcome)) => return Ended::Returned(outcome),
                Err(payload) => return Ended::Raised(text_of(&*payload)),
            }
            let woken = scope.take_wakes() > 0;
            match world.random(16) {
                0 => world.scope().cancel(),
                1 => world.cancel_one(),
                2 => world.spawn(),
                _ => {}
            }
            if !woken || world.random(2) == 0 {
                let more = world.wake_some();
                let woken = woken || more || scope.take_wakes() > 0;
                assert!(woken, "seed {seed}: nobody will ever wake it");
            }
        }
        panic!("seed {seed}: not done after {MOST_POLLS} polls");
    }

    /// Each failure is in the error, raised, or reported; and nowhere else.
    fn check_failures(&self, ended: Ended) {
        let (world, seed) = (&self.world, self.world.seed);
        let raised = world.raised.borrow().clone();
        let lost: Vec<String> = take_lost()
            .into_iter()
            .inspect(|(kind, text)| assert!(is_failure(*kind), "seed {seed}: {kind:?} {text}"))
            .map(|(_, text)| text)
            .collect();
        match ended {
            Ended::Returned(Ok(_)) => {
                let forgiven = self.first_success && self.captures;
                assert!(
                    raised.is_empty() || forgiven || self.first_success,
                    "seed {seed}: {raised:?}"
                );
                assert!(lost.is_empty(), "seed {seed}: {lost:?}");
            }
            Ended::Returned(Err(error)) => {
                assert_eq!(texts(&error), raised, "seed {seed}");
                assert!(lost.is_empty(), "seed {seed}: {lost:?}");
            }
            Ended::Raised(text) => {
                assert!(!self.captures, "seed {seed}: raised {text}");
                assert_eq!(Some(&text), world.panics.borrow().first(), "seed {seed}");
                assert_eq!(sorted([lost, vec![text]].concat()), sorted(raised), "seed {seed}");
            }
            Ended::Dropped => assert_eq!(sorted(lost), sorted(raised), "seed {seed}"),
        }
    }
}

fn is_failure(kind: UnhandledKind) -> bool {
    matches!(kind, UnhandledKind::Failure | UnhandledKind::Panic)
}

fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    panic_message(payload).to_owned()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
