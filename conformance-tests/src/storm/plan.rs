//! What a storm does: a tree that depends on nothing but its seed.

use std::time::Duration;

use fastrand::Rng;

/// One group: what its body does, and under which options.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) policy: PolicyKind,
    pub(crate) deadline: Option<Duration>,
    pub(crate) grace: Option<Duration>,
    pub(crate) limit: Option<usize>,
    pub(crate) body: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum PolicyKind {
    FailFast,
    Supervise,
    FirstSuccess,
}

/// One thing that a body or a task does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Yield(u32),
    Sleep(Duration),
    /// Waits to be told.
    Cancelled,
    /// Waits for ever: only a cancellation ends it.
    Stay,
    Spawn(Kind, Vec<Step>),
    /// Awaits the task spawned last, if there is one; with `?`.
    Await,
    /// Cancels the task spawned last, or drops its handle.
    CancelTask,
    DropHandle,
    /// Runs a group in place, or as a task.
    Group(Plan),
    SpawnGroup(Plan),
    /// Polls a group so often and drops it.
    DropGroup(Plan, u32),
    Timeout(Duration, Vec<Step>),
    /// Must not be cut by a cancellation; `cuttable` where code of somebody else may drop it.
    Shield(Vec<Step>),
    LimitedShield(Duration, Vec<Step>),
    Defer(u32),
    /// A clean-up that opens a group.
    DeferGroup(Plan),
    Acquire(u32),
    Job,
    CancelGroup,
    CancelNow,
    Fail,
    Panic,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Ordinary,
    Background,
    WhenFree,
    Start,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut maker = Maker { rng: &mut rng, left: 60, placed: false, may_stay: true };
        let mut plan = maker.plan(0);
        // For those who stay until they are cancelled.
        plan.deadline = Some(Duration::from_millis(3));
        plan
    }
}

struct Maker<'a> {
    rng: &'a mut Rng,
    /// Steps that may still be made, so that a tree stays small.
    left: u32,
    /// Whether the steps are of a task that holds a place in a group with a limit: it must not wait
    /// for others of that group, or the group may starve (G18).
    placed: bool,
    /// Whether the steps may wait for ever: not in a shield without a limit, where nothing would end
    /// them.
    may_stay: bool,
}

impl Maker<'_> {
    fn plan(&mut self, depth: u32) -> Plan {
        let placed = std::mem::take(&mut self.placed);
        let limit = self.sometimes(6).then(|| self.rng.usize(1..4));
        let plan = self.plan_with(depth, limit);
        self.placed = placed;
        plan
    }

    fn plan_with(&mut self, depth: u32, limit: Option<usize>) -> Plan {
        Plan {
            policy: match self.rng.u8(..4) {
                0 => PolicyKind::Supervise,
                1 => PolicyKind::FirstSuccess,
                _ => PolicyKind::FailFast,
            },
            deadline: self.sometimes(6).then(|| self.moment()),
            grace: self.sometimes(6).then(|| self.moment()),
            limit,
            body: self.steps(depth + 1, limit.is_some()),
        }
    }

    /// `limited`: whether their group has a limit.
    fn steps(&mut self, depth: u32, limited: bool) -> Vec<Step> {
        let wanted = self.rng.u32(1..=6).min(self.left);
        self.left -= wanted;
        (0..wanted).map(|_| self.step(depth, limited)).collect()
    }

    /// The steps of a shield, which nothing ends from outside.
    fn shielded(&mut self, depth: u32, limited: bool) -> Vec<Step> {
        let before = std::mem::replace(&mut self.may_stay, false);
        let steps = self.steps(depth, limited);
        self.may_stay = before;
        steps
    }

    fn shielded_plan(&mut self, depth: u32) -> Plan {
        let before = std::mem::replace(&mut self.may_stay, false);
        let plan = self.plan(depth);
        self.may_stay = before;
        plan
    }

    /// The steps of a task.
    fn task(&mut self, depth: u32, limited: bool) -> Vec<Step> {
        let before = std::mem::replace(&mut self.placed, limited);
        let steps = self.steps(depth, limited);
        self.placed = before;
        steps
    }

    fn step(&mut self, depth: u32, limited: bool) -> Step {
        let deep = depth > 5;
        match self.rng.u8(..if deep { 11 } else { 25 }) {
            0 | 1 => Step::Yield(self.rng.u32(1..4)),
            2 => Step::Sleep(self.moment()),
            3 if self.placed => Step::DropHandle,
            3 => Step::Await,
            4 => Step::CancelTask,
            5 => Step::DropHandle,
            6 => Step::Defer(self.rng.u32(..3)),
            7 => Step::Acquire(self.rng.u32(..3)),
            8 => Step::Job,
            9 if self.sometimes(2) => Step::Fail,
            9 if self.sometimes(2) => Step::Panic,
            9 => Step::CancelGroup,
            10 if self.sometimes(3) => Step::CancelNow,
            10 if self.may_stay => Step::Stay,
            10 => Step::Yield(1),
            11..=15 => Step::Spawn(self.kind(), self.task(depth + 1, limited)),
            16 => Step::Group(self.plan(depth)),
            17 | 18 => Step::SpawnGroup(self.plan(depth)),
            19 => Step::DropGroup(self.plan(depth), self.rng.u32(1..5)),
            20 => Step::Timeout(self.moment(), self.steps(depth + 1, limited)),
            21 | 22 => Step::Shield(self.shielded(depth + 1, limited)),
            23 if self.sometimes(2) => {
                Step::LimitedShield(self.moment(), self.steps(depth + 1, limited))
            }
            23 => Step::Cancelled,
            _ => Step::DeferGroup(self.shielded_plan(depth)),
        }
    }

    fn kind(&mut self) -> Kind {
        match self.rng.u8(..8) {
            1 | 2 if self.placed => Kind::Ordinary,
            0 => Kind::Background,
            1 => Kind::WhenFree,
            2 => Kind::Start,
            _ => Kind::Ordinary,
        }
    }

    fn sometimes(&mut self, one_in: u8) -> bool {
        self.rng.u8(..one_in) == 0
    }

    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.rng.u64(..800))
    }
}
