//! The conductor: a thread for each worker process, which starts it, talks to it and ends it.

use std::io;
use std::sync::Arc;
use std::thread;

use crate::call::{Call, Outcome};
use crate::error::{Kind, Lost};
use crate::pool::{Next, Shared};
use crate::seat::Seat;
use crate::sys::{self, Event};
use crate::worker::{Broken, How, Worker};

/// Starts the conductor of a seat, to which a call will be handed.
pub(crate) fn start(pool: Arc<Shared>, seat: Arc<Seat>, ear: sys::Stream) -> io::Result<()> {
    let conductor = Conductor { pool, seat, ear, worker: None };
    let name = "anyscope-process".to_owned();
    thread::Builder::new().name(name).spawn(move || conductor.run()).map(drop)
}

struct Conductor {
    pool: Arc<Shared>,
    seat: Arc<Seat>,
    /// Hears the seat's bell.
    ear: sys::Stream,
    /// The worker, whose process is in the seat. Kept from one call to the next.
    worker: Option<Worker>,
}

impl Conductor {
    fn run(mut self) {
        let mut next = self.wait();
        while let Some(call) = next {
            self.serve(&call);
            drop(call);
            next = self.next().or_else(|| {
                self.end_worker();
                self.pool.leave(&self.seat)
            });
        }
    }

    /// Serves a call to its end. One that was cancelled ends when its worker is gone.
    fn serve(&mut self, call: &Call) {
        let mut outcome = self.outcome(call);
        if self.seat.served() {
            self.end_worker();
            outcome = outcome.map_err(|kind| Kind::Cancelled { begun: kind.has_begun() });
        }
        call.end(outcome);
    }

    /// A call that was certainly not begun goes to another worker, so that one that has died unseen
    /// costs nothing. That happens once or twice, unless no worker can live here.
    fn outcome(&mut self, call: &Call) -> Outcome {
        let mut attempts = 3;
        loop {
            if self.seat.is_cancelled() {
                return Err(Kind::Cancelled { begun: false });
            }
            let max_payload = self.pool.config.max_payload;
            let worker = self.worker()?;
            let id = worker.id;
            let Broken { begun, how } = match worker.ask(call, max_payload) {
                Ok(outcome) => return outcome,
                Err(broken) => broken,
            };
            self.worker = None;
            let status = self.seat.reap();
            attempts -= 1;
            match (how, call.limit) {
                (How::Late, Some(limit)) => return Err(Kind::TimeLimit(limit)),
                _ if !begun && attempts > 0 => {}
                _ => {
                    let garbage = how == How::Garbage;
                    return Err(Kind::Lost(Lost { worker: id, status, begun, garbage }));
                }
            }
        }
    }

    /// The worker, or a new one if it is not well.
    fn worker(&mut self) -> Result<&Worker, Kind> {
        if self.worker.as_ref().is_some_and(|worker| !worker.is_well()) {
            self.end_worker();
        }
        match &mut self.worker {
            Some(worker) => Ok(worker),
            none => Ok(none.insert(Worker::start(&self.pool.config, &self.seat)?)),
        }
    }

    /// The next call, for which it waits.
    fn next(&self) -> Option<Arc<Call>> {
        match self.pool.next(&self.seat) {
            Next::Serve(call) => Some(call),
            Next::Wait => self.wait(),
            Next::Leave => None,
        }
    }

    /// Waits for a call to be handed over; `None` if there was none for a while, if the worker has
    /// ended meanwhile, or if the pool is closed.
    fn wait(&self) -> Option<Arc<Call>> {
        loop {
            let channel = self.worker.as_ref().map(Worker::channel);
            let event = sys::wait(&self.ear, channel, self.pool.config.idle_timeout);
            match self.pool.rouse(&self.seat, event == Event::Rung) {
                Next::Serve(call) => return Some(call),
                Next::Wait => {}
                Next::Leave => return None,
            }
        }
    }

    fn end_worker(&mut self) {
        self.worker = None;
        self.seat.reap();
    }
}
