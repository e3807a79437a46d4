//! Plays a program on a runtime and observes the outcome.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyscope_core::{
    BoxError, CancelCause, CauseKind, ExitKind, FailFast, FailureKind, GroupError, GroupHandle,
    GroupId, PanicPolicy, Runtime, Supervise, TaskContext, TaskHandle, TaskId, defer,
    panic_message, shield,
};
use futures_util::future::{Either, select};

use crate::model::outcome::{Cause, Exit, Failed, Failure, Failures, Outcome, Returned, Root};
use crate::model::program::{Action, Id, Options, Program, Step, Whom};
use crate::probe::{OnDrop, caught, on_drop, yield_now};

/// How the text of every panic of a program begins: for those who keep them quiet.
pub const PANIC: &str = "a step panics: ";

/// Plays a program once; the seed decides how long what takes. A program that does not return is for
/// the caller to notice.
///
/// # Errors
///
/// What no program may do: something was alive when its outermost group had returned, or a clean-up
/// was not run, or more than once.
pub async fn play<R: Runtime>(
    runtime: &R,
    program: &Program,
    seed: u64,
) -> Result<Outcome, String> {
    let log = Log::default();
    let stage = Stage { runtime: runtime.clone(), log: log.clone(), seed };
    let played = caught(stage.group(0, program.options, program.body.clone(), None)).await;
    log.outcome(played)
}

type Played = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
type GroupPlayed = Pin<Box<dyn Future<Output = Result<(), GroupError<BoxError>>> + Send>>;

/// What all parts of a program share.
#[derive(Clone)]
struct Stage<R> {
    runtime: R,
    log: Log,
    seed: u64,
}

impl<R: Runtime> Stage<R> {
    fn group(
        self,
        id: Id,
        options: Options,
        steps: Vec<Step>,
        outermost: Option<GroupHandle<BoxError, R>>,
    ) -> GroupPlayed {
        let (runtime, deadline) = (self.runtime.clone(), self.moment(id));
        let alive = self.log.alive();
        let body = async move |group: GroupHandle<BoxError, R>| {
            let _alive = alive;
            self.log.write(|seen| seen.groups.insert(group.id(), id));
            let outermost = outermost.unwrap_or_else(|| group.clone());
            Player { stage: self, unit: id, group, outermost }.unit(steps).await
        };
        let group = runtime.group(body);
        let group = match options.supervises {
            true => group.policy(Supervise),
            false => group.policy(FailFast),
        };
        let group = if options.captures { group.panics(PanicPolicy::Capture) } else { group };
        Box::pin(if options.deadline { group.deadline(deadline) } else { group })
    }

    /// How long this step takes: often nothing, seldom more than a millisecond.
    fn moment(&self, step: Id) -> Duration {
        let mut rng = fastrand::Rng::with_seed(self.seed.wrapping_mul(64) + u64::from(step));
        Duration::from_micros(300 * rng.u64(..6).saturating_sub(1))
    }
}

/// A body or task, or a part of one.
#[derive(Clone)]
struct Player<R: Runtime> {
    stage: Stage<R>,
    unit: Id,
    group: GroupHandle<BoxError, R>,
    outermost: GroupHandle<BoxError, R>,
}

impl<R: Runtime> Player<R> {
    /// A whole body or task.
    async fn unit(self, steps: Vec<Step>) -> Result<(), BoxError> {
        self.stage.log.begin(self.unit);
        self.steps(steps).await
    }

    fn steps(self, steps: Vec<Step>) -> Played {
        Box::pin(async move {
            let mut kept = Vec::new();
            for step in steps {
                self.step(step, &mut kept).await?;
            }
            Ok(())
        })
    }

    /// A match over all actions: long, and flat.
    async fn step(
        &self,
        Step { id, action }: Step,
        kept: &mut Vec<TaskHandle<(), R>>,
    ) -> Result<(), BoxError> {
        let (runtime, moment) = (&self.stage.runtime, self.stage.moment(id));
        self.stage.log.reach(id);
        match action {
            Action::Mark => {}
            Action::Sleep => {
                yield_now().await;
                if !moment.is_zero() {
                    runtime.sleep(moment).await;
                }
            }
            Action::Stay => std::future::pending().await,
            Action::Fail => return Err(StepFailed(id).into()),
            Action::Panic => panic!("{PANIC}{id}"),
            Action::Cancel(Whom::Own) => self.group.cancel(),
            Action::Cancel(Whom::Outermost) => self.outermost.cancel(),
            Action::Defer => self.defer(id, moment),
            Action::Job(steps) => drop(self.group.try_spawn_blocking(self.job(id, steps))),
            Action::Spawn(steps) => {
                let task = self.group.spawn(self.task(id, steps));
                if !moment.is_zero() {
                    kept.push(task);
                }
            }
            Action::Join(steps) => self.group.spawn(self.task(id, steps)).await?,
            Action::Group(options, steps) => {
                let outermost = Some(self.outermost.clone());
                self.stage.clone().group(id, options, steps, outermost).await?;
            }
            Action::Shield(steps) => shield(self.clone().steps(steps)).await?,
            Action::Timeout(steps) => {
                let timeout = runtime.timeout(moment, self.clone().steps(steps));
                timeout.await.unwrap_or(Ok(()))?;
            }
            Action::Select(steps) => {
                let sleep = pin!(runtime.sleep(moment));
                if let Either::Left((outcome, _)) = select(self.clone().steps(steps), sleep).await {
                    outcome?;
                }
            }
        }
        Ok(())
    }

    fn task(
        &self,
        id: Id,
        steps: Vec<Step>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send + use<R> {
        let (player, alive) = (Self { unit: id, ..self.clone() }, self.stage.log.alive());
        async move {
            let _alive = alive;
            player.unit(steps).await
        }
    }

    fn job(
        &self,
        id: Id,
        steps: Vec<Step>,
    ) -> impl FnOnce() -> Result<(), StepFailed> + Send + 'static + use<R> {
        let (log, alive) = (self.stage.log.clone(), self.stage.log.alive());
        move || {
            let _alive = alive;
            log.begin(id);
            for Step { id, action } in steps {
                log.reach(id);
                match action {
                    Action::Fail => return Err(StepFailed(id)),
                    Action::Panic => panic!("{PANIC}{id}"),
                    _ => {}
                }
            }
            Ok(())
        }
    }

    fn defer(&self, id: Id, moment: Duration) {
        let (runtime, log, unit) = (self.stage.runtime.clone(), self.stage.log.clone(), self.unit);
        let alive = log.alive();
        log.write(|seen| seen.deferred.insert(id));
        defer(async move |exit| {
            let _alive = alive;
            if !moment.is_zero() {
                yield_now().await;
                runtime.sleep(moment / 4).await;
            }
            log.write(|seen| seen.cleanups.entry(unit).or_default().push((id, exit)));
        });
    }
}

/// The error of a step.
#[derive(Debug)]
struct StepFailed(Id);

impl fmt::Display for StepFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} fails", self.0)
    }
}

impl Error for StepFailed {}

/// What has been seen so far.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Seen>, AtomicUsize)>);

#[derive(Clone, Default)]
struct Seen {
    reached: BTreeSet<Id>,
    deferred: BTreeSet<Id>,
    cleanups: BTreeMap<Id, Vec<(Id, ExitKind)>>,
    units: HashMap<TaskId, Id>,
    groups: HashMap<GroupId, Id>,
}

impl Log {
    fn write<T>(&self, change: impl FnOnce(&mut Seen) -> T) {
        change(&mut self.0.0.lock().unwrap());
    }

    /// Something that must be gone when the program has ended.
    fn alive(&self) -> OnDrop<impl FnMut() + Send + Sync + use<>> {
        self.0.1.fetch_add(1, SeqCst);
        let log = self.clone();
        on_drop(move || {
            log.0.1.fetch_sub(1, SeqCst);
        })
    }

    fn begin(&self, unit: Id) {
        let task = TaskContext::current().expect("each unit has a context").id();
        self.write(|seen| seen.units.insert(task, unit));
    }

    fn reach(&self, step: Id) {
        self.write(|seen| seen.reached.insert(step));
    }

    fn outcome(
        &self,
        played: Result<Result<(), GroupError<BoxError>>, anyscope_core::Payload>,
    ) -> Result<Outcome, String> {
        let alive = self.0.1.load(SeqCst);
        if alive > 0 {
            return Err(format!("G1: {alive} tasks, jobs or clean-ups were alive"));
        }
        let seen = self.0.0.lock().unwrap().clone();
        let ran: Vec<_> = seen.cleanups.values().flatten().map(|(step, _)| *step).collect();
        if ran.len() != seen.deferred.len() || !ran.iter().all(|step| seen.deferred.contains(step))
        {
            return Err(format!("C5: of the clean-ups {:?} have run {ran:?}", seen.deferred));
        }
        let returned = match played {
            Ok(Ok(())) => Returned::Value,
            Ok(Err(error)) => Returned::Error(seen.failed(&error)?),
            Err(payload) => Returned::Panic(step_of(panic_message(&*payload))?),
        };
        let told = |(step, exit): &(Id, ExitKind)| Ok((*step, seen.exit(exit)?));
        let cleanups = seen.cleanups.iter().map(|(unit, ran)| {
            let ran = ran.iter().map(told).collect::<Result<_, String>>()?;
            Ok((*unit, ran))
        });
        let cleanups = cleanups.collect::<Result<_, String>>()?;
        Ok(Outcome { reached: seen.reached, cleanups, returned })
    }
}

impl Seen {
    fn failed(&self, error: &GroupError<BoxError>) -> Result<Failed, String> {
        let cause = error.cause().map(|cause| self.cause(cause)).transpose()?;
        let failures = error.failures().into_iter().flatten().map(|failure| {
            let with = match failure.kind() {
                FailureKind::Error(error) => match error.downcast_ref::<StepFailed>() {
                    Some(StepFailed(step)) => Failures::Error(*step),
                    None => return Err(format!("not of a step: {error}")),
                },
                FailureKind::Panic(panic) => Failures::Panic(step_of(&panic.message())?),
                FailureKind::Group(inner) => Failures::Group(self.failed(inner)?),
                other => return Err(format!("unknown: {other:?}")),
            };
            Ok(Failure { of: self.unit(failure.task().id())?, with })
        });
        Ok(Failed { cause, failures: failures.collect::<Result<_, _>>()? })
    }

    fn exit(&self, exit: &ExitKind) -> Result<Exit, String> {
        Ok(match exit {
            ExitKind::Value => Exit::Value,
            ExitKind::Failed => Exit::Failed,
            ExitKind::Panicked => Exit::Panicked,
            ExitKind::Cancelled(cause) => Exit::Cancelled(self.cause(cause)?),
            other => return Err(format!("unknown: {other:?}")),
        })
    }

    fn cause(&self, cause: &CancelCause) -> Result<Cause, String> {
        let root = match cause.root().kind() {
            CauseKind::Requested(_) => Root::Requested,
            CauseKind::SiblingFailed(task) => Root::Failed(self.unit(*task)?),
            CauseKind::Deadline(group) => match self.groups.get(&group.id()) {
                Some(group) => Root::Deadline(*group),
                None => return Err("the deadline of a group that did not begin".to_owned()),
            },
            CauseKind::Dropped => Root::Dropped,
            other => return Err(format!("nobody has caused {other:?}")),
        };
        Ok(Cause { root, inherited: matches!(cause.kind(), CauseKind::Parent(..)) })
    }

    fn unit(&self, task: TaskId) -> Result<Id, String> {
        self.units.get(&task).copied().ok_or_else(|| format!("task {task} has not begun"))
    }
}

fn step_of(panic: &str) -> Result<Id, String> {
    let step = panic.strip_prefix(PANIC).and_then(|step| step.parse().ok());
    step.ok_or_else(|| format!("a panic of no step: {panic}"))
}
