//! What a run that cannot go on says: the tree of what is alive, and what each part of it waits for.
//!
//! Units have the simulation's own numbers here, since the ids of tasks and groups are the process's and
//! differ from run to run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use anyscope_core::{CauseKind, GroupId, LiveGroup, LiveTask, TaskId, TaskInfo, WakerId};

use crate::scheduler::Shared;
use crate::state::{NEVER, State, Work};
use crate::thread::with_watch;
use crate::trace::{UnitId, UnitKind};

/// Nothing can run any more; or tasks could, but one of them blocks the driver.
pub(crate) fn stuck(shared: &Arc<Shared>, threads_only: bool) -> String {
    let text = match threads_only && shared.lock().can_run(false) {
        true => "a task blocks all others, and no job or thread can go on",
        false => "nothing can run, and no timer is set",
    };
    with_tree(shared, DEADLOCK, text)
}

/// The run has taken too many steps.
pub(crate) fn endless(shared: &Arc<Shared>) -> String {
    let text = "something runs again and again. A loop that yields until a time has come never sees it come, \
                for the clock stands still as long as anything can run";
    with_tree(shared, ENDLESS, text)
}

fn with_tree(shared: &Arc<Shared>, kind: &str, text: &str) -> String {
    let mut groups = Vec::new();
    with_watch(shared, |watch| groups = watch.groups(&shared.root));
    let (steps, elapsed) = {
        let state = shared.lock();
        (state.chooser.spent(), state.now - shared.start)
    };
    let when = format!("{AFTER}{steps} steps, {elapsed:?} after the start)");
    format!("{kind}{text}{when}\n{}", tree(shared, &groups))
}

/// What of a message is the same when the same failure has come in another order: the first line without its
/// numbers; of a deadlock the others as well, but not when it came.
pub(crate) fn gist(message: &str) -> Vec<String> {
    let plain = |line: &str| line.chars().filter(|c| !c.is_ascii_digit()).collect();
    let (first, tree) = message.split_once('\n').unwrap_or((message, ""));
    let first = match first.split_once(AFTER) {
        Some((text, _)) if [DEADLOCK, ENDLESS].iter().any(|kind| text.starts_with(kind)) => text,
        _ => first,
    };
    let tree = if first.starts_with(DEADLOCK) { tree } else { "" };
    let mut gist: Vec<String> = tree.lines().map(plain).collect();
    gist.sort_unstable();
    gist.push(plain(first));
    gist
}

/// What is alive, a line each, what belongs to it indented below.
pub(crate) fn tree(shared: &Shared, groups: &[LiveGroup]) -> String {
    let state = shared.lock();
    Tree::new(shared, &state, groups).draw()
}

/// How a task is called where its number is known already.
pub(crate) fn label(info: &TaskInfo) -> String {
    match info.name() {
        Some(name) => format!("'{name}' ({})", info.location()),
        None => format!("({})", info.location()),
    }
}

struct Tree<'a> {
    shared: &'a Shared,
    state: &'a State,
    groups: &'a [LiveGroup],
    /// The inner groups of each task or body; those without a living opener below their group.
    inner: BTreeMap<(GroupId, Option<TaskId>), Vec<&'a LiveGroup>>,
    /// Whose waker each is.
    wakers: Vec<(WakerId, UnitId)>,
    /// The task, job or body whose turns each unit's are; of several, which lie in each other, the
    /// outermost.
    tasks: BTreeMap<UnitId, &'a LiveTask>,
    text: String,
}

/// What is drawn next.
enum Line<'a> {
    Group(&'a LiveGroup),
    Task(&'a LiveGroup, &'a LiveTask),
}

impl<'a> Tree<'a> {
    fn new(shared: &'a Shared, state: &'a State, groups: &'a [LiveGroup]) -> Self {
        let mut inner: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for group in groups {
            if let Some(opener) = group.opener() {
                inner.entry(opener).or_default().push(group);
            }
        }
        let wakers = wakers(state, groups);
        let (tasks, text) = Default::default();
        let mut tree = Self { shared, state, groups, inner, wakers, tasks, text };
        for task in groups.iter().flat_map(LiveGroup::tasks) {
            if let Some(unit) = tree.unit_of(task) {
                tree.tasks.entry(unit).or_insert(task);
            }
        }
        tree
    }

    fn draw(mut self) -> String {
        let outermost = self.groups.iter().rev().filter(|group| group.opener().is_none());
        let mut stack: Vec<_> = outermost.map(|group| (0, Line::Group(group))).collect();
        while let Some((depth, line)) = stack.pop() {
            let indent = 2 * depth;
            let _ = write!(self.text, "{:indent$}", "");
            match line {
                Line::Group(group) => {
                    self.draw_group(group);
                    let orphans = self.inner_of((group.id(), None));
                    stack.extend(orphans.map(|group| (depth + 1, Line::Group(group))));
                    let tasks = group.tasks().iter().rev();
                    stack.extend(tasks.map(|task| (depth + 1, Line::Task(group, task))));
                }
                Line::Task(group, task) => {
                    self.draw_task(group, task);
                    let inner = self.inner_of((group.id(), Some(task.info().id())));
                    stack.extend(inner.map(|group| (depth + 1, Line::Group(group))));
                }
            }
        }
        self.draw_others();
        self.text
    }

    fn inner_of(
        &self,
        opener: (GroupId, Option<TaskId>),
    ) -> impl Iterator<Item = &'a LiveGroup> + use<'a> {
        self.inner.get(&opener).cloned().unwrap_or_default().into_iter().rev()
    }

    fn draw_group(&mut self, group: &LiveGroup) {
        let body = group.tasks().iter().find(|task| task.is_body());
        let _ = match body {
            _ if group.is_root() => write!(self.text, "left to the runtime"),
            Some(body) => write!(self.text, "group {}", label(body.info())),
            None => write!(self.text, "group whose body has ended"),
        };
        if let Some(cause) = group.cause() {
            let _ = write!(self.text, ", cancelled: {}", why(cause.root().kind()));
        }
        self.text.push('\n');
    }

    fn draw_task(&mut self, group: &LiveGroup, task: &LiveTask) {
        let unit = self.unit_of(task);
        let name = match (task.is_body(), unit) {
            (true, _) => "body".to_owned(),
            (false, Some(unit)) => self.name(unit),
            (false, None) => format!("task {}", label(task.info())),
        };
        let shielded = if task.is_shielded() { ", shielded" } else { "" };
        let waits = self.waits(group, task, unit);
        let _ = writeln!(self.text, "{name}{shielded}: {waits}");
    }

    /// Threads, and units that core does not know.
    fn draw_others(&mut self) {
        for (id, unit) in self.state.units() {
            if matches!(unit.work, Work::Thread(_)) {
                let what = if unit.is_ready { CAN_RUN } else { "blocks until something holds" };
                let _ = writeln!(self.text, "{} {id}: {what}", unit.kind);
            } else if !self.tasks.contains_key(&id) {
                let waits = self.waits_or_runs(id, self.waits_of(id));
                let _ = writeln!(self.text, "{}: {waits}", self.name(id));
            }
        }
    }

    fn waits(&self, group: &LiveGroup, task: &LiveTask, unit: Option<UnitId>) -> String {
        if task.is_queued() {
            return "waits for a place in its group, which is full".to_owned();
        }
        let Some(unit) = unit else {
            return "is a job, or has not been polled yet".to_owned();
        };
        let opener = (group.id(), Some(task.info().id()));
        if self.inner_of(opener).any(|inner| inner.tasks().iter().any(LiveTask::is_body)) {
            return "runs what is below".to_owned();
        }
        let mut waits = self.waits_of(unit);
        if self.inner_of(opener).any(|inner| self.awaits(unit, inner)) {
            waits.push("the group below to end".to_owned());
        }
        self.waits_or_runs(unit, waits)
    }

    fn waits_or_runs(&self, unit: UnitId, waits: Vec<String>) -> String {
        let is_ready = || self.state.units.get(&unit).is_some_and(|unit| unit.is_ready);
        match waits.is_empty() {
            _ if self.state.running == Some(unit) => HAS_TURN.to_owned(),
            _ if is_ready() => CAN_RUN.to_owned(),
            true => format!("waits for {UNSEEN}"),
            false => format!("waits for {}", waits.join("; ")),
        }
    }

    fn waits_of(&self, unit: UnitId) -> Vec<String> {
        let awaited = self.state.units().filter(|(_, other)| other.awaited_by == Some(unit));
        let mut waits: Vec<_> = awaited.map(|(other, _)| self.name(other)).collect();
        let Some(own) = self.state.units.get(&unit) else {
            return waits;
        };
        for (at, _) in self.state.timers().filter(|(_, waker)| waker.will_wake(&own.waker)) {
            waits.push(self.timer(at.saturating_duration_since(self.state.now), at));
        }
        let mut outermost = self.groups.iter().filter(|group| group.opener().is_none());
        if outermost.any(|group| self.awaits(unit, group)) {
            waits.push("its group to end".to_owned());
        }
        waits
    }

    fn timer(&self, left: Duration, at: std::time::Instant) -> String {
        match left < NEVER {
            true => format!("a timer at {:?}", at.saturating_duration_since(self.shared.start)),
            false => "a timer that never fires".to_owned(),
        }
    }

    fn awaits(&self, unit: UnitId, group: &LiveGroup) -> bool {
        group.awaiter().is_some_and(|waker| self.wakers.contains(&(waker, unit)))
    }

    fn unit_of(&self, task: &LiveTask) -> Option<UnitId> {
        self.wakers.iter().find(|(waker, _)| *waker == task.waker()).map(|(_, unit)| *unit)
    }

    fn name(&self, unit: UnitId) -> String {
        let kind = self.state.units.get(&unit).map(|unit| unit.kind);
        match (kind, self.tasks.get(&unit)) {
            (Some(UnitKind::Main), _) => "main".to_owned(),
            (kind, Some(task)) => {
                format!("{} {unit} {}", kind.unwrap_or(UnitKind::Task), label(task.info()))
            }
            (kind, None) => format!("{} {unit}", kind.unwrap_or(UnitKind::Task)),
        }
    }
}

/// Each unit's waker. What the main future polls has one of core's around it, as the outermost group
/// shows.
fn wakers(state: &State, groups: &[LiveGroup]) -> Vec<(WakerId, UnitId)> {
    let units = state.units().map(|(id, unit)| (WakerId::of(&unit.waker), id));
    let mut wakers: Vec<_> = units.collect();
    let main = state.units().find(|(_, unit)| unit.kind == UnitKind::Main);
    let outermost = groups.iter().filter(|group| group.opener().is_none() && !group.is_root());
    for group in outermost {
        let body = group.tasks().iter().find(|task| task.is_body()).map(LiveTask::waker);
        let unknown = |waker: &WakerId| wakers.iter().all(|(known, _)| known != waker);
        let found: Vec<_> = body.into_iter().chain(group.awaiter()).filter(unknown).collect();
        wakers.extend(found.into_iter().filter_map(|waker| Some((waker, main.as_ref()?.0))));
    }
    wakers
}

/// A cause without the ids that differ from run to run.
fn why(kind: &CauseKind) -> &str {
    match kind {
        CauseKind::Requested(Some(reason)) => reason,
        CauseKind::Requested(None) => "requested",
        CauseKind::SiblingFailed(_) => "a task of it failed",
        CauseKind::Deadline(_) => "its deadline passed",
        CauseKind::FirstSuccess(_) => "a task of it succeeded first",
        CauseKind::Shutdown => "shutdown",
        CauseKind::Dropped => "it was dropped",
        CauseKind::Finished => "all others have ended",
        _ => "from outside",
    }
}

const CAN_RUN: &str = "can run";
const HAS_TURN: &str = "has the turn, and all other tasks wait for it";
const UNSEEN: &str = "something that only code of the program knows (a channel, a lock, a gate)";

const DEADLOCK: &str = "deadlock: ";
const ENDLESS: &str = "no end in sight: ";
const AFTER: &str = " (after ";
