//! A state of the model: what the tasks and groups of a program have come to.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::model::outcome::{Cause, Exit, Failed, Failure, Failures, Outcome, Returned, Root};
use crate::model::program::{Id, Options, Program, Step};

/// The outermost group, its body and its caller.
pub(super) const OUTERMOST: Id = 0;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State<'p> {
    /// Tasks and jobs that have not ended.
    pub(super) tasks: BTreeMap<Id, Task<'p>>,
    /// Groups that have not closed, or whose result was not taken.
    pub(super) groups: BTreeMap<Id, Group>,
    /// What the handles of tasks that are awaited give, once there is something.
    pub(super) joins: BTreeMap<Id, Joined>,
    /// One bit for each step.
    pub(super) reached: u64,
    pub(super) cleanups: BTreeMap<Id, Vec<(Id, Exit)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) options: Options,
    pub(super) parent: Option<Id>,
    /// Opened inside a shield: a cancellation of the parent passes it by (C4). The shield outlasts
    /// it, or drops it, which cancels it.
    pub(super) is_guarded: bool,
    pub(super) cause: Option<Cause>,
    pub(super) failures: Vec<Failure>,
    /// The first one (P1).
    pub(super) panic: Option<Id>,
    /// Whether the body has returned one.
    pub(super) has_value: bool,
    /// Whether its future is still there: if not, nobody takes the result (G2).
    pub(super) is_awaited: bool,
}

/// What runs one after the other: a task with the bodies of the groups that it opened in place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Task<'p> {
    /// The outermost first.
    pub(super) frames: Vec<Frame<'p>>,
    pub(super) at: At,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// Not polled yet.
    Fresh,
    Running,
    /// Suspended, as in all below.
    Sleep,
    Forever,
    /// Until this group has closed.
    Group(Id),
    /// Until this task has ended.
    Task(Id),
    /// In the clean-ups of the innermost unit, or just before its group hears of its end.
    Ending(End),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame<'p> {
    pub(super) kind: Kind,
    pub(super) rest: Rest<'p>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Unit(Unit),
    Shield,
    Timeout,
    Select,
}

/// A task, job or body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Unit {
    pub(super) id: Id,
    pub(super) role: Role,
    pub(super) group: Id,
    pub(super) deferred: Vec<Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Body,
    Task,
    Job,
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Value,
    Failed(Fault),
    Panicked(Id),
    Cancelled(Cause),
}

/// What comes through `?`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    New(Failures),
    /// A mere cancellation, with its cause, or a report of what the group has already (G4).
    Echo(Option<Cause>),
}

/// What a handle gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Joined {
    Value,
    /// As in `Fault::Echo`.
    Error(Option<Cause>),
}

/// Steps that are left: the same if they are the same steps of the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'p>(pub(super) &'p [Step]);

impl PartialEq for Rest<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Rest<'_> {}

impl Hash for Rest<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.0.as_ptr(), self.0.len()).hash(hasher);
    }
}

impl<'p> State<'p> {
    pub(super) fn of(program: &'p Program) -> Self {
        let body = Frame::of_unit(OUTERMOST, Role::Body, OUTERMOST, &program.body);
        let caller = Task { frames: vec![body], at: At::Running };
        Self {
            tasks: BTreeMap::from([(OUTERMOST, caller)]),
            groups: BTreeMap::from([(OUTERMOST, Group::new(program.options, None, false))]),
            joins: BTreeMap::new(),
            reached: 0,
            cleanups: BTreeMap::new(),
        }
    }

    /// G1: there is none before all have ended.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let has_ended = self.tasks[&OUTERMOST].frames.is_empty() && self.is_closed(OUTERMOST);
        has_ended.then(|| Outcome {
            reached: (0..64).filter(|id| self.reached >> id & 1 == 1).collect(),
            cleanups: self.cleanups.clone(),
            returned: self.groups[&OUTERMOST].returned(),
        })
    }

    pub(super) fn task(&mut self, id: Id) -> &mut Task<'p> {
        self.tasks.get_mut(&id).expect("who moves has not ended")
    }

    pub(super) fn group(&mut self, id: Id) -> &mut Group {
        self.groups.get_mut(&id).expect("it is open while somebody is in it")
    }

    /// Whether body, tasks, jobs and inner groups have all ended (G1, G2).
    pub(super) fn is_closed(&self, id: Id) -> bool {
        let is_in_it = |frame: &Frame<'_>| frame.unit().is_some_and(|unit| unit.group == id);
        !self.tasks.values().flat_map(|task| &task.frames).any(is_in_it)
            && !self.groups.values().any(|group| group.parent == Some(id))
    }

    /// Whether a unit in this frame is cancelled, and no shield inside it is active (C1, C4).
    pub(super) fn is_due(&self, task: &Task<'_>, at: usize) -> bool {
        let unit = task.frames[at].unit();
        unit.is_some_and(|unit| self.groups[&unit.group].cause.is_some()) && !task.is_shielded(at)
    }

    /// Whether its deadline may pass now (D2). Not while its body is polled (D4), nor if all have ended.
    pub(super) fn may_expire(&self, id: Id) -> bool {
        let group = &self.groups[&id];
        let has_body = |task: &&Task<'_>| task.at == At::Group(id) || task.has_body_of(id);
        let is_suspended = self
            .tasks
            .values()
            .find(has_body)
            .is_some_and(|task| task.at != At::Running && !task.is_ending_at_once());
        group.options.deadline && group.cause.is_none() && is_suspended && !self.is_closed(id)
    }
}

impl Group {
    pub(super) fn new(options: Options, parent: Option<Id>, is_guarded: bool) -> Self {
        Self {
            options,
            parent,
            is_guarded,
            cause: None,
            failures: Vec::new(),
            panic: None,
            has_value: false,
            is_awaited: true,
        }
    }

    /// What it gives once it has closed (G7, G8, P1). G20: a value is kept if there was no cause, or
    /// the group itself was told to stop.
    pub(super) fn returned(&self) -> Returned {
        if let Some(step) = self.panic {
            return Returned::Panic(step);
        }
        let keeps = self.cause.is_none_or(|cause| cause == Root::Requested.into());
        if self.has_value && keeps && self.failures.is_empty() {
            return Returned::Value;
        }
        Returned::Error(Failed { cause: self.cause, failures: self.failures.clone() })
    }
}

impl<'p> Task<'p> {
    /// Where the innermost unit is.
    pub(super) fn innermost(&self) -> usize {
        let unit = self.frames.iter().rposition(|frame| frame.unit().is_some());
        unit.expect("all that a task does is in a unit")
    }

    pub(super) fn unit(&mut self) -> &mut Unit {
        let at = self.innermost();
        match &mut self.frames[at].kind {
            Kind::Unit(unit) => unit,
            _ => unreachable!("`innermost` has found one"),
        }
    }

    /// Its number, if it is in this group.
    pub(super) fn id_in(&mut self, group: Id) -> Option<Id> {
        let unit = self.unit();
        (unit.group == group).then_some(unit.id)
    }

    pub(super) fn has_body_of(&self, group: Id) -> bool {
        let bodies = self.frames.iter().filter_map(Frame::unit);
        bodies.filter(|unit| unit.role == Role::Body).any(|unit| unit.group == group)
    }

    /// Whether a shield inside this frame is active (C4). Clean-ups are shielded (C5), and whose they
    /// are has ended.
    pub(super) fn is_shielded(&self, at: usize) -> bool {
        matches!(self.at, At::Ending(_))
            || self.frames[at + 1..].iter().any(|frame| frame.kind == Kind::Shield)
    }

    /// Whether a unit ends in this poll, which nobody interrupts.
    fn is_ending_at_once(&self) -> bool {
        let innermost = self.frames.iter().filter_map(Frame::unit).next_back();
        matches!(self.at, At::Ending(_)) && innermost.is_some_and(|unit| unit.deferred.is_empty())
    }

    /// Whether this frame is of one who may lose patience: of ours not with a shield (D1, C4).
    pub(super) fn may_be_dropped(&self, at: usize) -> bool {
        match self.frames[at].kind {
            Kind::Timeout => !self.is_shielded(at),
            Kind::Select => !self.is_ending_at_once(),
            _ => false,
        }
    }
}

impl<'p> Frame<'p> {
    pub(super) fn of_unit(id: Id, role: Role, group: Id, steps: &'p [Step]) -> Self {
        let unit = Unit { id, role, group, deferred: Vec::new() };
        Self { kind: Kind::Unit(unit), rest: Rest(steps) }
    }

    pub(super) fn unit(&self) -> Option<&Unit> {
        match &self.kind {
            Kind::Unit(unit) => Some(unit),
            _ => None,
        }
    }
}

impl End {
    /// As clean-ups are told (C5).
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Value => Exit::Value,
            Self::Failed(_) => Exit::Failed,
            Self::Panicked(_) => Exit::Panicked,
            Self::Cancelled(cause) => Exit::Cancelled(*cause),
        }
    }
}
