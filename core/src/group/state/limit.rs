//! The limit of a group as a value: who has a place, who waits for one, and who is next (G18).

use std::collections::BTreeMap;
use std::task::Waker;

use crate::group::state::table::UnitKey;
use crate::job::{Job, Pool};

/// The places of a group with a limit. Part of its table and guarded by the same lock; nothing is
/// woken or launched in here.
pub(crate) struct Limiter {
    limit: usize,
    /// Places that are taken: by tasks and jobs, or kept for a ticket.
    taken: usize,
    /// In the order in which they came.
    waiting: BTreeMap<Number, Waiting>,
    /// Of each unit, by its key.
    units: Vec<Standing>,
    next: Number,
}

/// Where a task or job stands.
#[derive(Clone, Copy, Default)]
enum Standing {
    /// It has no place and waits for none: it is not there, in the background, or has given its place back.
    #[default]
    Out,
    HasPlace,
    Waits(Number),
}

/// Who came before whom.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Number(u64);

/// What somebody who waits to spawn holds: a number in the line, or the place that came of it. It is given
/// back, unless a unit has taken over its place.
pub(crate) struct Ticket(Number);

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
            taken: 0,
            waiting: BTreeMap::new(),
            units: Vec::new(),
            next: Number::default(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken >= self.limit || self.is_waited_for()
    }

    /// Whether a place that comes free is somebody's at once.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives the unit a place, or puts it into the queue. Whether it has one.
    pub(crate) fn admit(&mut self, key: UnitKey) -> bool {
        if self.is_full() {
            let number = self.enqueue(Waiting::Unit(key, None));
            self.stands(key, Standing::Waits(number));
            return false;
        }
        self.taken += 1;
        self.stands(key, Standing::HasPlace);
        true
    }

    /// Whether the unit still waits.
    pub(crate) fn is_queued(&self, key: UnitKey) -> bool {
        matches!(self.standing(key), Standing::Waits(_))
    }

    /// Keeps the job until its unit has a place; gives it back if it has.
    pub(crate) fn hold(&mut self, key: UnitKey, pool: Pool, job: Job) -> Option<Job> {
        let Standing::Waits(number) = self.standing(key) else {
            return Some(job);
        };
        match self.waiting.get_mut(&number) {
            Some(Waiting::Unit(_, held)) => {
                *held = Some((pool, job));
                None
            }
            _ => Some(job),
        }
    }

    /// The unit has ended, or was dropped from the queue; once or more often.
    pub(crate) fn leave(&mut self, key: UnitKey) -> Granted {
        let left = match self.standing(key) {
            Standing::Out => return Granted::default(),
            Standing::Waits(number) => self.waiting.remove(&number),
            Standing::HasPlace => {
                self.taken -= 1;
                None
            }
        };
        self.stands(key, Standing::Out);
        let mut granted = self.grant();
        if let Some(Waiting::Unit(_, Some((_, job)))) = left {
            granted.revoked = Some(job);
        }
        granted
    }

    /// The place for a unit that is about to be spawned, if there is one now.
    pub(crate) fn take_free(&mut self) -> Option<Ticket> {
        if self.is_full() {
            return None;
        }
        self.taken += 1;
        self.next.0 += 1;
        Some(Ticket(self.next))
    }

    /// A ticket for somebody who waits to spawn; it may have a place at once.
    pub(crate) fn draw(&mut self) -> Ticket {
        self.take_free().unwrap_or_else(|| Ticket(self.enqueue(Waiting::Ticket(None))))
    }

    /// Whether the ticket has a place now. If not, the waker stays; one that is no longer needed
    /// comes back.
    pub(crate) fn poll(&mut self, ticket: &Ticket, waker: Waker) -> (bool, Option<Waker>) {
        match self.waiting.get_mut(&ticket.0) {
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

    /// The place of a ticket, which is void from now on, is the unit's.
    pub(crate) fn redeem(&mut self, key: UnitKey) {
        self.stands(key, Standing::HasPlace);
    }

    /// Gives back a ticket, and the place that it may have.
    pub(crate) fn give_back(&mut self, ticket: Ticket) -> Granted {
        let left = self.waiting.remove(&ticket.0);
        self.taken -= usize::from(left.is_none());
        let mut granted = self.grant();
        if let Some(Waiting::Ticket(Some(waker))) = left {
            granted.wakers.push(waker);
        }
        granted
    }

    fn enqueue(&mut self, waiting: Waiting) -> Number {
        self.next.0 += 1;
        self.waiting.insert(self.next, waiting);
        self.next
    }

    fn standing(&self, key: UnitKey) -> Standing {
        self.units.get(key.index()).copied().unwrap_or_default()
    }

    fn stands(&mut self, key: UnitKey, standing: Standing) {
        if self.units.len() <= key.index() {
            self.units.resize_with(key.index() + 1, Standing::default);
        }
        self.units[key.index()] = standing;
    }

    /// Gives free places to those who have waited longest.
    fn grant(&mut self) -> Granted {
        let mut granted = Granted::default();
        while self.taken < self.limit {
            let Some((_, next)) = self.waiting.pop_first() else { break };
            self.taken += 1;
            match next {
                Waiting::Ticket(waker) => granted.wakers.extend(waker),
                Waiting::Unit(key, held) => {
                    self.stands(key, Standing::HasPlace);
                    match held {
                        Some(job) => granted.jobs.push(job),
                        None => granted.tasks.push(key),
                    }
                }
            }
        }
        granted
    }
}
