//! A small executor that can be shut down, with or without a fault in how it does that.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::task::{Context, Wake, Waker};
use std::thread::{self, JoinHandle};

use crate::backend::Fault;

type Unit = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone)]
pub(crate) struct Mortal(Arc<Shared>);

struct Shared {
    fault: Fault,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    dead: bool,
    started: usize,
    /// All that have not ended.
    tasks: HashMap<usize, Arc<Task>>,
    ready: VecDeque<Arc<Task>>,
}

struct Task {
    number: usize,
    /// `None` once it has ended.
    future: Mutex<Option<Unit>>,
    is_ready: AtomicBool,
    shared: Weak<Shared>,
}

impl Mortal {
    pub(crate) fn start(fault: Fault) -> (Self, Workers) {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { fault, state, changed });
        let threads = [shared.clone(), shared.clone()];
        let threads = threads.map(|shared| thread::spawn(move || shared.work()));
        (Self(shared.clone()), Workers { shared, threads: Vec::from(threads) })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.state.lock().unwrap().dead
    }

    pub(crate) fn launch(&self, future: Unit) {
        match self.0.launch(future) {
            None => {}
            Some(refused) => match self.0.fault {
                Fault::KeepsWhatComesTooLate => mem::forget(refused),
                Fault::PanicsWhenDead => panic!("expected: it is dead"),
                _ => drop(refused),
            },
        }
    }
}

impl Shared {
    /// Gives the future back if it comes too late.
    fn launch(self: &Arc<Self>, future: Unit) -> Option<Unit> {
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Some(future);
        }
        state.started += 1;
        let task = Arc::new(Task {
            number: state.started,
            future: Mutex::new(Some(future)),
            is_ready: AtomicBool::new(true),
            shared: Arc::downgrade(self),
        });
        state.tasks.insert(task.number, task.clone());
        state.ready.push_back(task);
        self.changed.notify_one();
        None
    }

    fn work(&self) {
        while let Some(task) = self.next() {
            if task.run() {
                self.state.lock().unwrap().tasks.remove(&task.number);
            }
        }
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut state = self.state.lock().unwrap();
        loop {
            if state.dead {
                return None;
            }
            if let Some(task) = state.ready.pop_front() {
                return Some(task);
            }
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl Task {
    /// Whether it has ended.
    fn run(self: &Arc<Self>) -> bool {
        let mut slot = self.future.lock().unwrap();
        self.is_ready.store(false, Ordering::SeqCst);
        let Some(future) = &mut *slot else { return true };
        let waker = Waker::from(self.clone());
        let ended = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if ended {
            *slot = None;
        }
        ended
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.shared.upgrade() else { return };
        if !self.is_ready.swap(true, Ordering::SeqCst) {
            shared.state.lock().unwrap().ready.push_back(self);
            shared.changed.notify_one();
        }
    }
}

/// The threads; dropping this shuts the executor down.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().dead = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let (tasks, ready) = {
            let mut state = self.shared.state.lock().unwrap();
            (mem::take(&mut state.tasks), mem::take(&mut state.ready))
        };
        for task in tasks.into_values().chain(ready) {
            let future = task.future.lock().unwrap().take();
            match self.shared.fault {
                Fault::LeaksAtShutdown => mem::forget(future),
                _ => drop(future),
            }
        }
    }
}
