//! When a task counts as ended, and the callback that is told (rules G1, T3, T5).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Context;

use anyscope_core::unhandled::UnhandledKind;
use anyscope_core::{
    BoxError, CancelHandle, Carried, CauseKind, GroupHandle, PanicPolicy, Runtime, Supervise,
    TaskError, TaskHandle,
};

use super::limits::fill;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, block_on_here, boom, calling, eventually, holding, lost, never, on_drop,
    poll_once, unique,
};
use crate::thread;
use crate::waits::Watched;

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g1_output_whose_handle_is_dropped_by_the_next_in_line_is_gone::<R>),
        case(t3_task_is_not_finished_while_its_destructor_runs::<R>),
        case(t3_job_is_not_finished_while_its_destructor_runs::<R>),
        case(t3_output_without_a_handle_is_gone_when_the_group_returns::<R>),
        case(t3_task_is_not_finished_while_its_output_is_dropped::<R>),
        case(t3_finished_once_awaited_and_once_the_group_returned::<R>),
        case(t5_callback_gets_each_outcome_once_before_the_end::<R>),
        case(t5_callback_of_a_refused_task_is_told::<R>),
        case(t5_callback_of_a_task_that_was_not_spawned_is_not_called::<R>),
        case(t5_panicking_callback_is_contained_and_reported::<R>),
        case(t5_callback_is_told_of_a_shutdown::<R>).needs_shutdown(),
    ]
}

/// The ways in which a task ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Value,
    Failure,
    Panic,
    Cancelled,
}

const WAYS: [Way; 4] = [Way::Value, Way::Failure, Way::Panic, Way::Cancelled];

/// Ends in this way once the gate is open.
async fn end_by(way: Way, gate: Gate) -> Result<i32, BoxError> {
    gate.wait().await;
    match way {
        Way::Value => Ok(7),
        Way::Failure => Err(boom("expected")),
        Way::Panic => panic!("expected: a task's end"),
        Way::Cancelled => never().await,
    }
}

/// A handle where its own task can look at it.
type Shelf<T, R> = Arc<Mutex<Option<TaskHandle<T, R>>>>;

/// Whether the task looks ended in any way, as a thread sees it that is outside of the task.
fn looks_ended<T: Send + 'static, R: Runtime>(shelf: &Shelf<T, R>) -> bool {
    let look = || {
        let mut handle = shelf.lock().unwrap();
        let handle = handle.as_mut().unwrap();
        handle.is_finished() || poll_once(handle).is_ready()
    };
    std::thread::scope(|scope| scope.spawn(look).join().unwrap())
}

/// What looks at its own task's handle: how often it looked, and how often the task looked ended.
#[derive(Clone, Default)]
struct Looks {
    all: Count,
    ended: Count,
}

impl Looks {
    fn look<T: Send + 'static, R: Runtime>(&self, shelf: &Shelf<T, R>) {
        if looks_ended(shelf) {
            self.ended.add();
        }
        self.all.add();
    }
}

/// Lets the task on the shelf come to its end, and gives it out once it has looked at its handle.
async fn let_end<R: Runtime>(
    rt: &R,
    way: Way,
    gate: &Gate,
    shelf: &Shelf<i32, R>,
    looks: &Looks,
) -> TaskHandle<i32, R> {
    gate.open();
    if way == Way::Cancelled {
        shelf.lock().unwrap().as_ref().unwrap().cancel();
    }
    eventually(rt, "the end begins", || looks.all.get() > 0).await;
    shelf.lock().unwrap().take().unwrap()
}

/// A task's place in a limit goes to somebody whose waker drops the task's handle: as late as it can be, and
/// still before the group has closed.
fn g1_output_whose_handle_is_dropped_by_the_next_in_line_is_gone<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (gate, gone, shelf) = (Gate::new(), Count::new(), Shelf::default());
        let (mut next, looks_ended) = (None, Arc::new(AtomicBool::new(false)));
        let group = rt.group(async |g: GroupHandle<BoxError, R>| {
            let (begin, output) = (gate.clone(), gone.on_drop());
            *shelf.lock().unwrap() = Some(g.spawn(async move {
                begin.wait().await;
                Ok(output)
            }));
            let (own, looked) = (shelf.clone(), looks_ended.clone());
            let drops = calling(move || {
                let task = own.lock().unwrap().take().unwrap();
                looked.store(task.is_finished(), Ordering::SeqCst);
            });
            let next = next.insert(Box::pin(g.spawn_when_free(async { Ok(()) })));
            assert!(next.as_mut().poll(&mut Context::from_waker(&drops)).is_pending());
            Ok(())
        });
        let mut group = Box::pin(group.limit(1));
        let (at_the_close, seen) = (Arc::new(Mutex::new(Vec::new())), gone.clone());
        let told = at_the_close.clone();
        let looks = calling(move || told.lock().unwrap().push(seen.get()));
        assert!(group.as_mut().poll(&mut Context::from_waker(&looks)).is_pending());
        gate.open();
        eventually(&rt, "it closes", || !at_the_close.lock().unwrap().is_empty()).await;
        assert!(shelf.lock().unwrap().is_none() && looks_ended.load(Ordering::SeqCst));
        assert_eq!(*at_the_close.lock().unwrap(), [1]);
        group.await.unwrap();
    });
}

fn t3_task_is_not_finished_while_its_destructor_runs<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for way in WAYS {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let (gate, looks, shelf) = (Gate::new(), Looks::default(), Shelf::default());
                    let (watch, own) = (looks.clone(), shelf.clone());
                    let probe = on_drop(move || watch.look(&own));
                    let task = g.spawn(holding(probe, end_by(way, gate.clone())));
                    *shelf.lock().unwrap() = Some(task);
                    let mut task = let_end(&rt, way, &gate, &shelf, &looks).await;
                    assert_eq!((&mut task).await.is_ok(), way == Way::Value);
                    assert_eq!(looks.ended.get(), 0, "{way:?}");
                    Ok(())
                })
                .policy(Supervise)
                .panics(PanicPolicy::Capture)
                .await;
            let clean = matches!(way, Way::Value | Way::Cancelled);
            assert_eq!(outcome.is_ok(), clean, "{way:?}");
        }
    });
}

fn t3_job_is_not_finished_while_its_destructor_runs<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (gate, looks, shelf) = (Gate::new(), Looks::default(), Shelf::default());
                let (begin, watch, own) = (gate.clone(), looks.clone(), shelf.clone());
                let probe = on_drop(move || watch.look(&own));
                let job = g.spawn_blocking(move || {
                    let _probe = probe;
                    begin.wait_blocking();
                    7
                });
                *shelf.lock().unwrap() = Some(job);
                let mut job = let_end(&rt, Way::Value, &gate, &shelf, &looks).await;
                assert_eq!((&mut job).await?, 7);
                assert_eq!(looks.ended.get(), 0);
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn t3_output_without_a_handle_is_gone_when_the_group_returns<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let dropped = Count::new();
        let watched = Watched::default();
        let group = rt.group(async |g| {
            let (gate, output) = (Gate::new(), watched.waits_for(&dropped));
            let release = gate.clone();
            drop(g.spawn(async move {
                release.wait().await;
                Ok(output)
            }));
            gate.open();
            Ok(())
        });
        let outcome: Outcome<()> = watched.drive(group).await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 1, "a task's output outlived its group");
        let watched = Watched::default();
        let group = rt.group(async |g| {
            let (gate, output) = (Gate::new(), watched.waits_for(&dropped));
            let release = gate.clone();
            drop(g.spawn_blocking(move || {
                release.wait_blocking();
                output
            }));
            gate.open();
            Ok(())
        });
        let outcome: Outcome<()> = watched.drive(group).await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 2, "a job's output outlived its group");
    });
}

/// Its handle goes when it has ended but for what it carried, which has the handle.
fn t3_task_is_not_finished_while_its_output_is_dropped<R: Runtime>(env: &Env<R>) {
    let looked = Arc::new(Mutex::new(None));
    env.run(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (gate, shelf) = (Gate::new(), Arc::new(Mutex::new(None)));
                let cancel: Arc<OnceLock<CancelHandle>> = Arc::default();
                let (look, looks, has_handle) = (cancel.clone(), looked.clone(), shelf.clone());
                let output = on_drop(move || {
                    *looks.lock().unwrap() = look.get().map(CancelHandle::is_finished);
                });
                let carried = Carried::of(on_drop(move || {
                    let handle = has_handle.lock().unwrap().take();
                    drop(handle);
                }));
                let release = gate.clone();
                let task = g.task(async move {
                    release.wait().await;
                    Ok(output)
                });
                let task = task.carrying(carried).spawn();
                cancel.set(task.cancel_handle()).unwrap();
                *shelf.lock().unwrap() = Some(task);
                gate.open();
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(*looked.lock().unwrap(), Some(false));
}

fn t3_finished_once_awaited_and_once_the_group_returned<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<Vec<TaskHandle<(), R>>> = rt
            .group(async |g| {
                let mut handles = Vec::new();
                for _ in 0..100 {
                    let mut awaited = g.spawn(async { Ok(()) });
                    (&mut awaited).await?;
                    assert!(awaited.is_finished(), "an awaited task has ended");
                    handles.push(g.spawn(async { Ok(()) }));
                }
                Ok(handles)
            })
            .await;
        let handles = outcome.unwrap();
        let unfinished = handles.iter().filter(|handle| !handle.is_finished());
        assert_eq!(unfinished.count(), 0, "the group waits for the end");
    });
}

/// What a callback was told.
fn told(outcome: Result<&i32, &TaskError>) -> Way {
    match outcome {
        Ok(value) => {
            assert_eq!(*value, 7);
            Way::Value
        }
        Err(error) if error.is_failed() => Way::Failure,
        Err(error) if error.is_panic() => Way::Panic,
        Err(error) if error.is_cancelled() => Way::Cancelled,
        Err(error) => panic!("not an end of this case: {error}"),
    }
}

fn t5_callback_gets_each_outcome_once_before_the_end<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        for way in WAYS {
            let calls = Arc::new(Mutex::new(Vec::new()));
            let gone = Count::new();
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let (gate, looks, shelf) = (Gate::new(), Looks::default(), Shelf::default());
                    let (watch, own, calls) = (looks.clone(), shelf.clone(), calls.clone());
                    let (probe, gone) = (gone.on_drop(), gone.clone());
                    let task = g
                        .task(holding(probe, end_by(way, gate.clone())))
                        .on_done(move |outcome| {
                            calls.lock().unwrap().push((told(outcome), gone.get()));
                            watch.look(&own);
                        })
                        .spawn();
                    *shelf.lock().unwrap() = Some(task);
                    let task = let_end(&rt, way, &gate, &shelf, &looks).await;
                    assert_eq!(task.await.is_ok(), way == Way::Value);
                    assert_eq!(looks.ended.get(), 0, "{way:?}: called before the end");
                    Ok(())
                })
                .policy(Supervise)
                .panics(PanicPolicy::Capture)
                .await;
            drop(outcome);
            // Once, with this outcome, and when the future was gone.
            assert_eq!(*calls.lock().unwrap(), [(way, 1)]);
        }
    });
}

fn t5_callback_of_a_refused_task_is_told<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (calls, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                g.cancel();
                let (calls, probe, gone) = (calls.clone(), dropped.on_drop(), dropped.clone());
                let refused = g.task(holding(probe, never::<()>())).on_done(move |outcome| {
                    assert!(outcome.unwrap_err().is_refused());
                    assert_eq!(gone.get(), 1, "the future is gone");
                    calls.add();
                });
                drop(refused.spawn());
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!((calls.get(), dropped.get()), (1, 1));
    });
}

/// The task may be spawned yet, or never was.
fn t5_callback_of_a_task_that_was_not_spawned_is_not_called<R: Runtime>(env: &Env<R>) {
    let (calls, dropped) = (Count::new(), Count::new());
    env.run(async |rt| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let task = |value| {
                    let calls = calls.clone();
                    let future = holding(dropped.on_drop(), async move { Ok(value) });
                    g.task(future).on_done(move |_| calls.note())
                };
                let finish = fill(&g).await;
                let mut waiting = Box::pin(task(1).spawn_when_free());
                assert!(poll_once(waiting.as_mut()).is_pending());
                drop(waiting);
                assert_eq!(dropped.get(), 1);
                let given_back = task(2).try_spawn().unwrap_err();
                assert!(given_back.is_full());
                assert_eq!(given_back.into_future().await?, 2);
                finish.open();
                g.cancel();
                task(3).try_spawn().unwrap_err().into_future().await
            })
            .limit(1)
            .await;
        assert_eq!(outcome.unwrap(), 3);
    });
    assert_eq!((calls.get(), dropped.get()), (0, 3));
}

fn t5_panicking_callback_is_contained_and_reported<R: Runtime>(env: &Env<R>) {
    let text = unique("callback panics");
    assert!(lost(&text).is_empty());
    env.block_on(async |rt: R| {
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let panics = || {
                    let text = text.clone();
                    move |_: Result<&i32, &TaskError>| panic!("{text}")
                };
                let value = g.task(async { Ok(7) }).on_done(panics()).spawn();
                g.task(never()).on_done(panics()).spawn().cancel();
                Ok(value.await?)
            })
            .await;
        assert_eq!(outcome.unwrap(), 7, "the panic is nobody's failure");
    });
    let lost = lost(&text);
    assert_eq!(lost.len(), 2);
    assert!(lost.iter().all(|lost| lost.kind == UnhandledKind::Callback));
}

fn t5_callback_is_told_of_a_shutdown<R: Runtime>(env: &Env<R>) {
    let (started, calls) = (Gate::new(), Count::new());
    let (rt, begun, called) = (env.runtime(), started.clone(), calls.clone());
    let owner = thread::spawn(move || {
        let outcome: Outcome<()> = block_on_here(rt.group(async move |g: GroupHandle<_, R>| {
            let waiting = holding(begun.clone(), async move {
                begun.open();
                never::<()>().await
            });
            let done = move |outcome: Result<&(), &TaskError>| {
                let cause = outcome.unwrap_err().cause().unwrap();
                assert_eq!(cause.kind(), &CauseKind::Shutdown);
                called.add();
            };
            drop(g.task(waiting).on_done(done).spawn());
            never().await
        }));
        outcome.unwrap_err()
    });
    env.block_on(async |_| started.wait().await);
    env.shut_down();
    let error = owner.join().unwrap();
    assert!(error.is_cancelled());
    assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
    assert_eq!(calls.get(), 1);
}
