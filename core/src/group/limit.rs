//! The limit of a group: who runs, who waits for a place, and who is next (G18).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::task::Waker;

use crate::group::job::Pool;
use crate::group::table::UnitKey;
use crate::runtime::Job;

/// The places of a group with a limit. Part of its table and guarded by the same lock; nothing is
/// woken or launched in here.
pub(crate) struct Limiter {
    limit: usize,
    /// Tasks and jobs that have a place, and places that are kept for a ticket.
    running: BTreeSet<Holder>,
    /// In the order in which they came.
    waiting: BTreeMap<Ticket, Waiting>,
    /// Where each queued task or job stands in `waiting`.
    queued: HashMap<UnitKey, Ticket>,
    next: Ticket,
}

/// A place in the queue, and what somebody who waits to spawn holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Unit(UnitKey),
    Ticket(Ticket),
}

enum Waiting {
    /// A task, or a job that is not in the pool's queue yet.
    Unit(UnitKey, Option<(Pool, Job)>),
    /// Somebody who waits to spawn.
    Ticket(Option<Waker>),
}

/// Whom a free place went to: to be woken or launched outside the lock.
#[derive(Default)]
pub(crate) struct Granted {
    /// Tasks, whose wakers are in the table.
    pub(crate) tasks: Vec<UnitKey>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) jobs: Vec<(Pool, Job)>,
    /// Of a job that left the queue.
    pub(crate) revoked: Option<Job>,
}

impl Limiter {
    /// At least one place: with none nothing would ever run.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            running: BTreeSet::new(),
            waiting: BTreeMap::new(),
            queued: HashMap::new(),
            next: Ticket::default(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.running.len() >= self.limit || !self.waiting.is_empty()
    }

    /// Gives the unit a place, or puts it into the queue. Whether it has one.
    pub(crate) fn admit(&mut self, key: UnitKey) -> bool {
        if !self.is_full() {
            self.running.insert(Holder::Unit(key));
            return true;
        }
        let ticket = self.enqueue(Waiting::Unit(key, None));
        self.queued.insert(key, ticket);
        false
    }

    /// Whether the unit still waits.
    pub(crate) fn is_queued(&self, key: UnitKey) -> bool {
        self.queued.contains_key(&key)
    }

    /// Keeps the job until its unit has a place; gives it back if it has.
    pub(crate) fn hold(&mut self, key: UnitKey, pool: Pool, job: Job) -> Option<Job> {
        let waiting = self.queued.get(&key).and_then(|ticket| self.waiting.get_mut(ticket));
        match waiting {
            Some(Waiting::Unit(_, held)) => {
                *held = Some((pool, job));
                None
            }
            _ => Some(job),
        }
    }

    /// The unit has ended, or was dropped from the queue.
    pub(crate) fn leave(&mut self, key: UnitKey) -> Granted {
        let left = self.queued.remove(&key).and_then(|ticket| self.waiting.remove(&ticket));
        self.running.remove(&Holder::Unit(key));
        let mut granted = self.grant();
        if let Some(Waiting::Unit(_, Some((_, job)))) = left {
            granted.revoked = Some(job);
        }
        granted
    }

    /// A ticket for somebody who waits to spawn; it may have a place at once.
    pub(crate) fn draw(&mut self) -> Ticket {
        let full = self.is_full();
        let ticket = self.enqueue(Waiting::Ticket(None));
        if !full {
            self.waiting.remove(&ticket);
            self.running.insert(Holder::Ticket(ticket));
        }
        ticket
    }

    /// Whether the ticket has a place now. If not, the waker stays; one that is no longer needed
    /// comes back.
    pub(crate) fn poll(&mut self, ticket: Ticket, waker: Waker) -> (bool, Option<Waker>) {
        match self.waiting.get_mut(&ticket) {
            Some(Waiting::Ticket(slot)) => (false, slot.replace(waker)),
            _ => (true, Some(waker)),
        }
    }

    /// Of all who wait to spawn.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let waker = |waiting: &mut Waiting| match waiting {
            Waiting::Ticket(waker) => waker.take(),
            Waiting::Unit(..) => None,
        };
        self.waiting.values_mut().filter_map(waker).collect()
    }

    /// Exchanges the ticket's place for one of the unit.
    pub(crate) fn redeem(&mut self, ticket: Ticket, key: UnitKey) {
        self.running.remove(&Holder::Ticket(ticket));
        self.running.insert(Holder::Unit(key));
    }

    /// Gives back a ticket, and the place that it may have.
    pub(crate) fn give_back(&mut self, ticket: Ticket) -> Granted {
        let left = self.waiting.remove(&ticket);
        self.running.remove(&Holder::Ticket(ticket));
        let mut granted = self.grant();
        if let Some(Waiting::Ticket(Some(waker))) = left {
            granted.wakers.push(waker);
        }
        granted
    }

    fn enqueue(&mut self, waiting: Waiting) -> Ticket {
        self.next.0 += 1;
        self.waiting.insert(self.next, waiting);
        self.next
    }

    /// Gives free places to those who have waited longest.
    fn grant(&mut self) -> Granted {
        let mut granted = Granted::default();
        while self.running.len() < self.limit {
            match self.waiting.pop_first() {
                None => break,
                Some((_, Waiting::Unit(key, held))) => {
                    self.queued.remove(&key);
                    self.running.insert(Holder::Unit(key));
                    match held {
                        Some(job) => granted.jobs.push(job),
                        None => granted.tasks.push(key),
                    }
                }
                Some((ticket, Waiting::Ticket(waker))) => {
                    self.running.insert(Holder::Ticket(ticket));
                    granted.wakers.extend(waker);
                }
            }
        }
        granted
    }
}
