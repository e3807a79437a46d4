//! Plays a plan on a runtime.

use std::future::Future;
use std::pin::{Pin, pin};

use anyscope_core::{
    BoxError, FailFast, FirstSuccess, GroupError, GroupHandle, PanicPolicy, Runtime, Supervise,
    TaskContext, TaskHandle, acquire, defer, shield,
};

use crate::probe::{boom, poll_once, yield_now};
use crate::storm::plan::{Kind, Plan, PolicyKind, Step};
use crate::storm::tally::Tally;

type Played = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
type GroupPlayed = Pin<Box<dyn Future<Output = Result<(), GroupError<BoxError>>> + Send>>;

/// Plays the outermost group. Its outcome is of no interest: that it returns is.
pub(crate) async fn play<R: Runtime>(runtime: &R, tally: &Tally, plan: Plan) {
    let outcome = group(runtime.clone(), tally.clone(), plan, false).await;
    drop(outcome);
}

/// `cuttable`: whether code that honours no shield may drop it.
fn group<R: Runtime>(runtime: R, tally: Tally, plan: Plan, cuttable: bool) -> GroupPlayed {
    let Plan { policy, deadline, grace, limit, body } = plan;
    let body = async move |g: GroupHandle<BoxError, R>| {
        let _probe = tally.probe();
        Player::new(g, tally.clone(), cuttable).play(body).await
    };
    let group = runtime.group(body).panics(PanicPolicy::Capture);
    let group = match policy {
        PolicyKind::FailFast => group.policy(FailFast),
        PolicyKind::Supervise => group.policy(Supervise),
        PolicyKind::FirstSuccess => group.policy(FirstSuccess::default()),
    };
    let group = if let Some(deadline) = deadline { group.deadline(deadline) } else { group };
    let group = if let Some(grace) = grace { group.grace(grace) } else { group };
    Box::pin(if let Some(limit) = limit { group.limit(limit) } else { group })
}

/// One body or task on its way.
struct Player<R: Runtime> {
    group: GroupHandle<BoxError, R>,
    tally: Tally,
    last: Option<TaskHandle<(), R>>,
    cuttable: bool,
}

impl<R: Runtime> Player<R> {
    fn new(group: GroupHandle<BoxError, R>, tally: Tally, cuttable: bool) -> Self {
        Self { group, tally, last: None, cuttable }
    }

    fn play(mut self, steps: Vec<Step>) -> Played {
        Box::pin(async move {
            for step in steps {
                let _probe = self.tally.probe();
                self.step(step).await?;
            }
            Ok(())
        })
    }

    /// Others of the same group and tally, in a future of its own.
    fn sub(&self, steps: Vec<Step>, cuttable: bool) -> Played {
        Self::new(self.group.clone(), self.tally.clone(), cuttable).play(steps)
    }

    /// A match over all kinds of step: long, and flat.
    async fn step(&mut self, step: Step) -> Result<(), BoxError> {
        let runtime = self.group.runtime();
        match step {
            Step::Yield(times) => yields(times).await,
            Step::Sleep(duration) => runtime.sleep(duration).await,
            Step::Cancelled => {
                let told = TaskContext::current().expect("in a task").cancelled();
                let _ = runtime.timeout(std::time::Duration::from_millis(1), told).await;
            }
            Step::Stay => std::future::pending().await,
            Step::Spawn(kind, steps) => self.spawn(kind, steps).await,
            Step::Await => {
                if let Some(task) = self.last.take() {
                    task.await?;
                }
            }
            Step::CancelTask => self.last.iter().for_each(TaskHandle::cancel),
            Step::DropHandle => self.last = None,
            Step::Group(plan) => group(runtime, self.tally.clone(), plan, self.cuttable).await?,
            Step::SpawnGroup(plan) => self.spawn_group(plan),
            Step::DropGroup(plan, polls) => {
                let mut group = group(runtime, self.tally.clone(), plan, true);
                for _ in 0..polls {
                    if poll_once(group.as_mut()).is_ready() {
                        return Ok(());
                    }
                    yield_now().await;
                }
            }
            Step::Timeout(after, steps) => {
                let inner = self.sub(steps, self.cuttable);
                if let Ok(outcome) = runtime.timeout(after, inner).await {
                    outcome?;
                }
            }
            Step::Shield(steps) => self.shielded(steps).await?,
            Step::LimitedShield(limit, steps) => {
                shield(self.sub(steps, true)).limit(limit).await?;
            }
            Step::Defer(times) => self.defer(times),
            Step::DeferGroup(plan) => self.defer_group(plan),
            Step::Acquire(times) => self.acquire(times).await?,
            Step::Job => {
                let probe = self.tally.probe();
                runtime.spawn_blocking(move || drop(probe)).await?;
            }
            Step::CancelGroup => self.group.cancel(),
            Step::CancelNow => self.group.cancel_now(),
            Step::Fail => return Err(boom("a storm fails")),
            Step::Panic => panic!("{}", crate::storm::PANIC),
        }
        Ok(())
    }

    async fn spawn(&mut self, kind: Kind, steps: Vec<Step>) {
        let probe = self.tally.probe();
        let inner = self.sub(steps, false);
        let task = async move {
            let _probe = probe;
            inner.await
        };
        self.last = match kind {
            Kind::Ordinary => Some(self.group.spawn(task)),
            Kind::Background => {
                // Not to be awaited: it stays until the others have ended.
                drop(self.group.spawn_background(async {
                    task.await?;
                    std::future::pending::<Result<(), _>>().await
                }));
                None
            }
            Kind::WhenFree => Some(self.group.spawn_when_free(task).await),
            Kind::Start => {
                let started = self.group.start(async move |started| {
                    yield_now().await;
                    started.ready(());
                    task.await
                });
                started.await.ok().map(|((), task)| task)
            }
        };
    }

    fn spawn_group(&mut self, plan: Plan) {
        let (runtime, tally) = (self.group.runtime(), self.tally.clone());
        let task = async move { Ok(group(runtime, tally, plan, false).await?) };
        self.last = Some(self.group.spawn(task));
    }

    /// Where nobody else can drop it, what was begun must end, whatever is cancelled: its own steps
    /// may fail, that is an end too.
    async fn shielded(&mut self, steps: Vec<Step>) -> Result<(), BoxError> {
        let (inner, tally) = (self.sub(steps, self.cuttable), self.tally.clone());
        if self.cuttable {
            return shield(inner).await;
        }
        let runtime = self.group.runtime();
        let counted = async move {
            tally.shield_begins();
            let outcome = std::panic::AssertUnwindSafe(inner);
            let outcome = futures_util::FutureExt::catch_unwind(outcome).await;
            // A group of a shield is covered by it, whatever was cancelled outside.
            let covered = runtime.group::<BoxError, _>(async |g| {
                let task = g.spawn(async {
                    yields(2).await;
                    Ok(())
                });
                Ok(task.await?)
            });
            if covered.await.is_ok() {
                tally.shield_ends();
            }
            outcome
        };
        match shield(counted).await {
            Ok(outcome) => outcome,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    fn defer(&self, times: u32) {
        let (tally, id, probe) = (self.tally.clone(), self.tally.cleanup(), self.tally.probe());
        defer(async move |_| {
            let _probe = probe;
            yields(times).await;
            tally.cleaned_up(id);
        });
    }

    fn defer_group(&self, plan: Plan) {
        let (runtime, tally, id) = (self.group.runtime(), self.tally.clone(), self.tally.cleanup());
        defer(async move |_| {
            drop(group(runtime, tally.clone(), plan, false).await);
            tally.cleaned_up(id);
        });
    }

    async fn acquire(&self, times: u32) -> Result<(), BoxError> {
        let (tally, released) = (self.tally.clone(), self.tally.clone());
        let open = async move {
            yields(times).await;
            Ok::<_, BoxError>((tally.cleanup(), tally.probe()))
        };
        let resource = acquire(open, move |(id, probe), _exit| async move {
            let _probe = probe;
            yields(times).await;
            released.cleaned_up(id);
        });
        let resource = pin!(resource).await?;
        yields(times).await;
        drop(resource);
        Ok(())
    }
}

async fn yields(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}
