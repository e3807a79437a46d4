//! The syntax of scope programs, and how random ones are made.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;

/// A step's number in its program. A task or job is called after the step that spawns it, a group and
/// its body after the step that opens it.
pub type Id = u8;

/// An outermost group, which is number 0.
#[derive(Clone, Debug)]
pub struct Program {
    /// Of the outermost group.
    pub options: Options,
    /// What its body does.
    pub body: Vec<Step>,
}

/// One step of a body, task or job.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub id: Id,
    /// What is done.
    pub action: Action,
}

/// What a step does. Errors leave the steps around it as by `?`.
#[derive(Clone, Debug)]
pub enum Action {
    /// Only shows that it was reached, as each step does.
    Mark,
    /// Suspends for some time.
    Sleep,
    /// Suspends for ever: only a cancellation or a timeout ends it.
    Stay,
    /// Returns an error.
    Fail,
    /// Panics.
    Panic,
    /// Cancels a group.
    Cancel(Whom),
    /// Registers a clean-up of the task or body.
    Defer,
    /// Starts a job; its steps are `Mark`, `Fail` and `Panic`.
    Job(Vec<Step>),
    /// Spawns a task.
    Spawn(Vec<Step>),
    /// Spawns a task and awaits it.
    Join(Vec<Step>),
    /// Opens a group and awaits it.
    Group(Options, Vec<Step>),
    /// Shields its steps.
    Shield(Vec<Step>),
    /// Goes on when the steps have ended or some time has passed.
    Timeout(Vec<Step>),
    /// The same by code that drops the steps and knows of no shield.
    Select(Vec<Step>),
}

/// Which group is cancelled.
#[derive(Clone, Copy, Debug)]
pub enum Whom {
    /// That of the task or body.
    Own,
    /// The outermost.
    Outermost,
}

/// How a group is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// `Supervise` instead of fail-fast (G16).
    pub supervises: bool,
    /// Whether panics are failures (P2).
    pub captures: bool,
    /// Whether it has a deadline (D2).
    pub deadline: bool,
}

impl Program {
    /// Numbers the steps. Those after one that fails or panics are left out: nobody gets there.
    pub fn new(options: Options, mut body: Vec<Step>) -> Self {
        number(&mut body, &mut 1);
        Self { options, body }
    }

    fn is_small(&self) -> bool {
        size(&self.body) <= 12
    }
}

impl From<Action> for Step {
    fn from(action: Action) -> Self {
        Self { id: 0, action }
    }
}

impl Action {
    /// The steps inside.
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Job(steps)
            | Self::Spawn(steps)
            | Self::Join(steps)
            | Self::Group(_, steps)
            | Self::Shield(steps)
            | Self::Timeout(steps)
            | Self::Select(steps) => steps,
            _ => &[],
        }
    }

    fn steps_mut(&mut self) -> Option<&mut Vec<Step>> {
        match self {
            Self::Job(steps)
            | Self::Spawn(steps)
            | Self::Join(steps)
            | Self::Group(_, steps)
            | Self::Shield(steps)
            | Self::Timeout(steps)
            | Self::Select(steps) => Some(steps),
            _ => None,
        }
    }
}

fn number(steps: &mut Vec<Step>, next: &mut Id) {
    let ends = |step: &Step| matches!(step.action, Action::Fail | Action::Panic);
    let reached = steps.iter().position(ends).map_or(steps.len(), |end| end + 1);
    steps.truncate(reached);
    for step in steps {
        step.id = *next;
        *next += 1;
        if let Some(inside) = step.action.steps_mut() {
            number(inside, next);
        }
    }
}

fn size(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + size(step.action.steps())).sum()
}

/// Random programs of up to twelve steps, which shrink to smaller ones.
pub fn programs() -> impl Strategy<Value = Program> {
    let step = leaf().prop_recursive(4, 12, 3, |step| inner(step.boxed()));
    (options(), vec(step, 2..6))
        .prop_map(|(options, body)| Program::new(options, body))
        .prop_filter("twelve steps", Program::is_small)
}

fn leaf() -> impl Strategy<Value = Step> {
    let end = prop_oneof![Just(Action::Mark), Just(Action::Fail), Just(Action::Panic)];
    let job = vec(end.prop_map(Step::from), 0..2).prop_map(|mut steps| {
        steps.insert(0, Action::Mark.into());
        Action::Job(steps)
    });
    let action = prop_oneof![
        1 => Just(Action::Mark),
        4 => Just(Action::Sleep),
        1 => Just(Action::Stay),
        2 => Just(Action::Fail),
        1 => Just(Action::Panic),
        1 => Just(Action::Cancel(Whom::Own)),
        1 => Just(Action::Cancel(Whom::Outermost)),
        2 => Just(Action::Defer),
        1 => job,
    ];
    action.prop_map(Step::from)
}

fn inner(step: BoxedStrategy<Step>) -> impl Strategy<Value = Step> {
    let (steps, some) = (|| vec(step.clone(), 0..4), || vec(step.clone(), 1..4));
    let action = prop_oneof![
        6 => steps().prop_map(Action::Spawn),
        2 => steps().prop_map(Action::Join),
        4 => (options(), steps()).prop_map(|(options, steps)| Action::Group(options, steps)),
        3 => some().prop_map(Action::Shield),
        2 => some().prop_map(Action::Timeout),
        1 => some().prop_map(Action::Select),
    ];
    action.prop_map(Step::from)
}

fn options() -> impl Strategy<Value = Options> {
    // Any of them in one of four groups.
    any::<[u8; 3]>().prop_map(|[supervises, captures, deadline]| Options {
        supervises: supervises > 191,
        captures: captures > 191,
        deadline: deadline > 191,
    })
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0 Group({})", self.options)?;
        lines(f, &self.body, 1)
    }
}

fn lines(f: &mut fmt::Formatter<'_>, steps: &[Step], depth: usize) -> fmt::Result {
    for Step { id, action } in steps {
        write!(f, "\n{:indent$}{id} ", "", indent = 4 * depth)?;
        match action {
            Action::Group(options, _) => write!(f, "Group({options})")?,
            Action::Job(_) => f.write_str("Job")?,
            Action::Spawn(_) => f.write_str("Spawn")?,
            Action::Join(_) => f.write_str("Join")?,
            Action::Shield(_) => f.write_str("Shield")?,
            Action::Timeout(_) => f.write_str("Timeout")?,
            Action::Select(_) => f.write_str("Select")?,
            single => write!(f, "{single:?}")?,
        }
        lines(f, action.steps(), depth + 1)?;
    }
    Ok(())
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { supervises, captures, deadline } = *self;
        f.write_str(if supervises { "supervise" } else { "fail-fast" })?;
        f.write_str(if captures { ", panics captured" } else { "" })?;
        f.write_str(if deadline { ", deadline" } else { "" })
    }
}
