//! The model: all outcomes that the contract allows a program to have. No runtime, no time, no threads.
//!
//! A move is one small step of one task, or the passing of a time. Every order of moves is explored,
//! because tasks may run in parallel. A sleep takes any time; timeouts and deadlines pass at any moment
//! or never. What only its own task can notice is not a move of its own.
//!
//! A task that is suspended may always be in the middle of a poll, which a cancellation does not cut
//! (C1): in what is left of it the task can still take what it awaits, or see that a time is up. It
//! cannot sleep on.

use std::collections::{BTreeSet, HashSet};

use crate::model::outcome::{Cause, Failed, Failure, Failures, Outcome, Returned, Root};
use crate::model::program::{Action, Id, Program, Step, Whom};
use crate::model::state::{
    At, End, Fault, Frame, Group, Joined, Kind, OUTERMOST, Rest, Role, State, Task, Unit,
};

/// All outcomes that the contract allows; `None` if there are more states than `bound`, or if somebody
/// may stay for ever.
///
/// # Panics
///
/// If others wait for ever too: the model, or the contract, would let a group hang.
#[must_use]
pub fn allowed(program: &Program, bound: usize) -> Option<BTreeSet<Outcome>> {
    let (mut left, mut known) = (vec![State::of(program)], HashSet::new());
    let mut outcomes = BTreeSet::new();
    while let Some(state) = left.pop() {
        if let Some(outcome) = state.outcome() {
            outcomes.insert(outcome);
            continue;
        }
        let moves = state.moves();
        if moves.is_empty() {
            let stays = state.tasks.values().any(|task| task.at == At::Forever);
            assert!(stays, "hangs:\n{program}\n{state:#?}");
            return None;
        }
        left.extend(moves.into_iter().filter(|state| known.insert(state.clone())));
        if known.len() > bound {
            return None;
        }
    }
    Some(outcomes)
}

impl<'p> State<'p> {
    fn moves(&self) -> Vec<Self> {
        let mut moves = Vec::new();
        for (&id, task) in &self.tasks {
            match &task.at {
                At::Fresh => moves.push(self.after(|to| to.task(id).at = At::Running)),
                At::Running => moves.push(self.after(|to| to.run(id))),
                _ => self.moves_of_suspended(id, task, &mut moves),
            }
        }
        let expiring = self.groups.keys().filter(|id| self.may_expire(**id));
        moves.extend(expiring.map(|&id| self.after(|to| to.cancel(id, Root::Deadline(id).into()))));
        moves
    }

    fn moves_of_suspended(&self, id: Id, task: &Task<'p>, moves: &mut Vec<Self>) {
        let frames = 0..task.frames.len();
        let due: Vec<_> = frames.clone().filter(|at| self.is_due(task, *at)).collect();
        moves.extend(due.iter().map(|at| self.after(|to| to.cut(id, *at))));
        let dropped = frames.filter(|at| task.may_be_dropped(*at));
        moves.extend(dropped.map(|at| self.after(|to| to.drop_from(id, at))));
        // T1: who is about to be dropped is told neither of a mere cancellation nor of a failure.
        let is_told = |is_cancelled: bool| !(is_cancelled && due.contains(&task.innermost()));
        match &task.at {
            At::Sleep if due.is_empty() => moves.push(self.after(|to| to.go_on(id))),
            At::Group(group) if self.is_closed(*group) => {
                let returned = self.groups[group].returned();
                if is_told(returned.is_cancelled()) {
                    moves.push(self.after(|to| to.take_result(id, *group, returned)));
                }
            }
            At::Task(joined) => match self.joins.get(joined) {
                Some(Joined::Value) => moves.push(self.after(|to| to.go_on(id))),
                Some(Joined::Error(cause)) if is_told(true) => {
                    let end = End::Failed(Fault::Echo(*cause));
                    moves.push(self.after(|to| to.end(id, end)));
                }
                _ => {}
            },
            At::Ending(end) => moves.push(self.after(|to| to.settle(id, end.clone()))),
            _ => {}
        }
    }

    /// The state after a move. A group whose future is gone is forgotten when it closes (G2).
    fn after(&self, step: impl FnOnce(&mut Self)) -> Self {
        let mut to = self.clone();
        step(&mut to);
        let forgotten = |to: &Self| {
            let mut groups = to.groups.iter();
            groups.find(|(id, group)| !group.is_awaited && to.is_closed(**id)).map(|(id, _)| *id)
        };
        while let Some(id) = forgotten(&to) {
            to.groups.remove(&id);
        }
        to
    }

    fn go_on(&mut self, id: Id) {
        self.task(id).at = At::Running;
    }

    /// Runs to the next suspension, or through the next step that others may notice.
    fn run(&mut self, id: Id) {
        loop {
            let task = self.task(id);
            let frame = task.frames.last_mut().expect("who runs has a frame");
            let Some((step, rest)) = frame.rest.0.split_first() else {
                if frame.unit().is_some() {
                    return self.end(id, End::Value);
                }
                task.frames.pop();
                continue;
            };
            frame.rest = Rest(rest);
            self.reached |= 1 << step.id;
            let task = self.task(id);
            let mut enter = |kind, steps| task.frames.push(Frame { kind, rest: Rest(steps) });
            match &step.action {
                Action::Mark => {}
                Action::Sleep => return task.at = At::Sleep,
                Action::Stay => return task.at = At::Forever,
                Action::Defer => task.unit().deferred.push(step.id),
                Action::Shield(steps) => enter(Kind::Shield, steps),
                Action::Timeout(steps) => enter(Kind::Timeout, steps),
                Action::Select(steps) => enter(Kind::Select, steps),
                _ => return self.act(id, step),
            }
        }
    }

    /// A step that others may notice.
    fn act(&mut self, id: Id, step: &'p Step) {
        let task = self.task(id);
        let is_guarded = task.is_shielded(task.innermost());
        let group = task.unit().group;
        match &step.action {
            Action::Fail => self.end(id, End::Failed(Fault::New(Failures::Error(step.id)))),
            Action::Panic => self.end(id, End::Panicked(step.id)),
            Action::Cancel(Whom::Own) => self.cancel(group, Root::Requested.into()),
            Action::Cancel(Whom::Outermost) => self.cancel(OUTERMOST, Root::Requested.into()),
            Action::Job(steps) => self.spawn(step.id, Role::Job, group, steps),
            Action::Spawn(steps) => self.spawn(step.id, Role::Task, group, steps),
            Action::Join(steps) => {
                task.at = At::Task(step.id);
                self.spawn(step.id, Role::Task, group, steps);
            }
            Action::Group(options, steps) => {
                task.frames.push(Frame::of_unit(step.id, Role::Body, step.id, steps));
                self.groups.insert(step.id, Group::new(*options, Some(group), is_guarded));
                // C8, C4; its body never begins (G11).
                if let Some(cause) = self.groups[&group].cause.filter(|_| !is_guarded) {
                    self.cancel(step.id, cause.inherited());
                    self.end(id, End::Cancelled(cause.inherited()));
                }
            }
            _ => unreachable!("`run` has done it"),
        }
    }

    /// G10: a cancelled group refuses.
    fn spawn(&mut self, id: Id, role: Role, group: Id, steps: &'p [Step]) {
        if let Some(cause) = self.groups[&group].cause {
            return self.tell(id, Joined::Error(Some(cause)));
        }
        let frames = vec![Frame::of_unit(id, role, group, steps)];
        self.tasks.insert(id, Task { frames, at: At::Fresh });
    }

    /// To whoever awaits the task.
    fn tell(&mut self, task: Id, joined: Joined) {
        if self.tasks.values().any(|other| other.at == At::Task(task)) {
            self.joins.insert(task, joined);
        }
    }

    /// The first cause stays (C2, C7). It reaches all below (C8) but what a shield guards (C4). What
    /// has not begun never does (G11, B3).
    fn cancel(&mut self, id: Id, cause: Cause) {
        let mut queue = vec![(id, cause)];
        while let Some((id, cause)) = queue.pop() {
            if self.group(id).cause.is_some() {
                continue;
            }
            self.group(id).cause = Some(cause);
            let unbegun = self.tasks.values_mut().filter(|task| task.at == At::Fresh);
            let unbegun: Vec<_> = unbegun.filter_map(|task| task.id_in(id)).collect();
            for task in unbegun {
                self.tasks.remove(&task);
                self.tell(task, Joined::Error(Some(cause)));
            }
            let below = self.groups.iter().filter(|(_, group)| group.parent == Some(id));
            let reached = below.filter(|(_, group)| !group.is_guarded);
            queue.extend(reached.map(|(id, _)| (*id, cause.inherited())));
        }
    }

    /// The future of a cancelled unit is dropped where it is suspended (C1).
    fn cut(&mut self, id: Id, at: usize) {
        self.drop_from(id, at + 1);
        let group = self.task(id).unit().group;
        let cause = self.groups[&group].cause.expect("who is cut was cancelled");
        self.end(id, End::Cancelled(cause));
    }

    /// Frames are dropped from outside. Groups in them are cancelled, and nobody takes what they give
    /// (G2); their bodies' clean-ups run all the same (C5). What is around goes on.
    fn drop_from(&mut self, id: Id, at: usize) {
        let task = self.task(id);
        let frames = task.frames.split_off(at);
        let mut around = task.unit().group;
        let was_at = std::mem::replace(&mut task.at, At::Running);
        let last = frames.len();
        for (count, frame) in (1..).zip(frames) {
            let Kind::Unit(unit) = frame.kind else { continue };
            let cause = self.abandon(unit.group, around);
            around = unit.group;
            let end = match &was_at {
                At::Ending(end) if count == last => end.clone(),
                _ => End::Cancelled(cause),
            };
            self.settle_unit(unit, end);
        }
        if let At::Group(group) = was_at {
            self.abandon(group, around);
        }
    }

    /// C2: a group that is dropped because the one around it was cancelled has that cause.
    fn abandon(&mut self, id: Id, around: Id) -> Cause {
        let inherited = self.groups[&around].cause.map(Cause::inherited);
        self.cancel(id, inherited.unwrap_or(Root::Dropped.into()));
        let group = self.group(id);
        group.is_awaited = false;
        group.cause.expect("it was just cancelled")
    }

    /// What a group gives to the one who awaits it. What follows from an error is a move of its own:
    /// a sibling may fail in between.
    fn take_result(&mut self, id: Id, group: Id, returned: Returned) {
        self.groups.remove(&group);
        let end = match returned {
            Returned::Value => return self.go_on(id),
            Returned::Panic(step) => End::Panicked(step),
            Returned::Error(Failed { cause, failures }) if failures.is_empty() => {
                End::Failed(Fault::Echo(cause))
            }
            Returned::Error(failed) => End::Failed(Fault::New(Failures::Group(failed))),
        };
        let task = self.task(id);
        task.frames.truncate(task.innermost() + 1);
        task.at = At::Ending(end);
    }

    /// The innermost unit ends. Its clean-ups come before all that follows from it (C5).
    fn end(&mut self, id: Id, end: End) {
        let task = self.task(id);
        task.frames.truncate(task.innermost() + 1);
        match task.unit().deferred.is_empty() {
            true => self.settle(id, end),
            false => task.at = At::Ending(end),
        }
    }

    fn settle(&mut self, id: Id, end: End) {
        let task = self.task(id);
        let Some(Frame { kind: Kind::Unit(unit), .. }) = task.frames.pop() else {
            unreachable!("what ends is a unit");
        };
        match unit.role {
            Role::Body => task.at = At::Group(unit.group),
            _ => drop(self.tasks.remove(&id)),
        }
        self.settle_unit(unit, end);
    }

    /// Runs the clean-ups, the last one first (C5); then the group hears of the end.
    fn settle_unit(&mut self, unit: Unit, end: End) {
        if !unit.deferred.is_empty() {
            let ran = unit.deferred.iter().rev().map(|step| (*step, end.exit()));
            self.cleanups.insert(unit.id, ran.collect());
        }
        let joined = match &end {
            End::Value => Joined::Value,
            End::Cancelled(cause) => Joined::Error(Some(*cause)),
            End::Failed(Fault::Echo(cause)) => Joined::Error(*cause),
            _ => Joined::Error(None),
        };
        self.tell(unit.id, joined);
        if let Some(cause) = self.consequence(&unit, end) {
            self.cancel(unit.group, cause);
        }
    }

    /// What an end means for the group.
    fn consequence(&mut self, unit: &Unit, end: End) -> Option<Cause> {
        let group = self.group(unit.group);
        match (end, unit.role) {
            (End::Value, Role::Body) => {
                group.has_value = true;
                None
            }
            // C6, T6; P4.
            (End::Value | End::Cancelled(_), _) | (End::Panicked(_), Role::Job) => None,
            (End::Failed(Fault::New(failures)), _) => group.record(unit.id, failures),
            // P2.
            (End::Panicked(step), _) if group.options.captures => {
                group.record(unit.id, Failures::Panic(step))
            }
            // P1.
            (End::Panicked(step), _) => {
                group.panic.get_or_insert(step);
                Some(Root::Failed(unit.id).into())
            }
            // G4: no failure, but a body without a value ends its group.
            (End::Failed(Fault::Echo(cause)), Role::Body) => cause,
            // E6: an expired deadline is never silent; other mere cancellations are.
            (End::Failed(Fault::Echo(cause)), _) => cause
                .filter(|cause| matches!(cause.root, Root::Deadline(_)))
                .filter(|_| !group.options.supervises),
        }
    }
}

impl Group {
    /// G4, G5, G6: each failure, in order; the first one cancels where fail-fast holds (G3, G16).
    fn record(&mut self, of: Id, with: Failures) -> Option<Cause> {
        self.failures.push(Failure { of, with });
        (!self.options.supervises).then(|| Root::Failed(self.failures[0].of).into())
    }
}

impl Returned {
    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Error(failed) if failed.failures.is_empty())
    }
}
